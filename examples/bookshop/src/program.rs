//! The program: runs the bookshop and its supplier, and prints what to try.

use std::error::Error;
use std::future::IntoFuture;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tower_fiber::axum::serve;

use crate::bridge::HttpSupplier;
use crate::db::Pools;
use crate::legacy::Shop;
use crate::settings::Settings;
use crate::{warehouse, web};

/// What the program may fail with; it prints the error and ends.
pub type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// How long the shop waits for its supplier.
const SUPPLIER_TIMEOUT: Duration = Duration::from_secs(2);

/// The program that this file is compiled for; there is more than one.
pub(crate) const NAME: &str = env!("CARGO_PKG_NAME");

/// What the program says of its arguments.
const USAGE: &str =
    "takes no arguments; PORT, SUPPLIER_LATENCY_MS and ONE_THREAD are its settings, Ctrl-C or SIGTERM ends it";

/// How long requests have to end after a signal. Longer than the supplier's timeout.
const LAST_REQUESTS: Duration = Duration::from_secs(5);

/// Serves a shop over the database that `open` opens, until it is interrupted. The database is dropped at the end.
pub fn main<D>(open: impl AsyncFnOnce() -> Result<D>, pools: fn(&D) -> Pools) -> ExitCode {
    match run(open, pools) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            _ = writeln!(io::stderr(), "{NAME}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run<D>(open: impl AsyncFnOnce() -> Result<D>, pools: fn(&D) -> Pools) -> Result<()> {
    match std::env::args_os().nth(1) {
        None => {}
        Some(argument) if argument == "--help" || argument == "-h" => return say(&format!("{NAME}: {USAGE}")),
        Some(other) => return Err(format!("there is no argument {other:?}: it {USAGE}").into()),
    }
    let settings = Settings::read(|name| std::env::var_os(name))?;
    let mut runtime = if settings.one_thread { Builder::new_current_thread() } else { Builder::new_multi_thread() };
    runtime.enable_all().build()?.block_on(open_shop(&settings, open, pools))
}

async fn open_shop<D>(
    settings: &Settings,
    open: impl AsyncFnOnce() -> Result<D>,
    pools: fn(&D) -> Pools,
) -> Result<()> {
    let listener = listen(settings.port).await?;
    let address = listener.local_addr()?;

    let supplier = TcpListener::bind("127.0.0.1:0").await?;
    let supplier_url = format!("http://{}", supplier.local_addr()?);
    let warehouse = warehouse::router(settings.supplier_latency);
    tokio::spawn(axum::serve(supplier, warehouse).into_future());

    let database = open().await?;
    let supplier = HttpSupplier::new(&supplier_url, SUPPLIER_TIMEOUT)?;
    let shop = Shop::new(Arc::new(pools(&database)), Arc::new(supplier));

    greet(&format!("http://{address}"), &supplier_url, settings)?;
    let layers = web::layers();
    let server = serve(listener, web::router(Arc::new(shop), &layers)).grace(LAST_REQUESTS);
    let report = layers.iter().fold(server, |server, layer| server.layer(layer)).await?;
    if report.is_cut { Err(report.to_string().into()) } else { Ok(()) }
}

async fn listen(port: u16) -> Result<TcpListener> {
    TcpListener::bind(("127.0.0.1", port)).await.map_err(|error| {
        format!("cannot listen on 127.0.0.1:{port}: {error}; set PORT to a free port, or to 0 for any").into()
    })
}

/// Prints a text, and fails where `println!` would panic: on a full disk, and when nobody reads.
///
/// # Errors
///
/// If the standard output takes nothing.
pub fn say(text: &str) -> Result<()> {
    writeln!(io::stdout(), "{text}").map_err(|error| format!("cannot write to the standard output: {error}").into())
}

fn greet(shop: &str, supplier: &str, settings: &Settings) -> Result<()> {
    let latency = settings.supplier_latency.as_millis();
    let threads = if settings.one_thread { "one thread" } else { "one thread per core" };
    say(&format!(
        "The bookshop is open, on {threads}. Its supplier at {supplier} takes {latency} ms to answer.

  {shop}/
  {shop}/search?q=garden
  {shop}/books/7
  {shop}/api/books?q=lighthouse
  {shop}/api/books/7
  {shop}/metrics
  {shop}/fibers

  curl -s {shop}/api/orders --json '{{\"customer\": \"Ada\", \"lines\": [{{\"book_id\": 7, \"quantity\": 1}}]}}'

Ctrl-C closes it."
    ))
}
