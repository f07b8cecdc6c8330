//! The program: runs the bookshop and its supplier, and prints what to try.

use std::error::Error;
use std::future::IntoFuture;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use crate::bridge::HttpSupplier;
use crate::db::Pools;
use crate::legacy::Shop;
use crate::settings::Settings;
use crate::{warehouse, web};

/// What the program may fail with; it prints the error and ends.
pub type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// How long the shop waits for its supplier.
const SUPPLIER_TIMEOUT: Duration = Duration::from_secs(2);

/// How long requests have to end after Ctrl-C. Longer than the supplier's timeout.
const LAST_REQUESTS: Duration = Duration::from_secs(5);

/// Serves a shop over the database that `open` opens, until it is interrupted. The database is dropped at the end.
pub fn main<D>(open: impl AsyncFnOnce() -> Result<D>, pools: fn(&D) -> Pools) -> ExitCode {
    match run(open, pools) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bookshop: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run<D>(open: impl AsyncFnOnce() -> Result<D>, pools: fn(&D) -> Pools) -> Result<()> {
    let settings = Settings::read(|name| std::env::var_os(name))?;
    let mut runtime = if settings.one_thread { Builder::new_current_thread() } else { Builder::new_multi_thread() };
    runtime.enable_all().build()?.block_on(serve(&settings, open, pools))
}

async fn serve<D>(settings: &Settings, open: impl AsyncFnOnce() -> Result<D>, pools: fn(&D) -> Pools) -> Result<()> {
    let listener = listen(settings.port).await?;
    let address = listener.local_addr()?;

    let supplier = TcpListener::bind("127.0.0.1:0").await?;
    let supplier_url = format!("http://{}", supplier.local_addr()?);
    let warehouse = warehouse::router(settings.supplier_latency);
    tokio::spawn(axum::serve(supplier, warehouse).into_future());

    let database = open().await?;
    let supplier = HttpSupplier::new(&supplier_url, SUPPLIER_TIMEOUT)?;
    let shop = Shop::new(Arc::new(pools(&database)), Arc::new(supplier));

    greet(&format!("http://{address}"), &supplier_url, settings);
    let (stop, stopped) = oneshot::channel::<()>();
    let server = axum::serve(listener, web::router(Arc::new(shop)))
        .with_graceful_shutdown(async { stopped.await.unwrap_or_default() });
    let server = tokio::spawn(server.into_future());

    interrupted().await?;
    println!("Closing.");
    drop(stop);
    match tokio::time::timeout(LAST_REQUESTS, server).await {
        Ok(ended) => Ok(ended??),
        Err(_) => Err("some connections were still open, and are cut".into()),
    }
}

async fn listen(port: u16) -> Result<TcpListener> {
    TcpListener::bind(("127.0.0.1", port)).await.map_err(|error| {
        format!("cannot listen on 127.0.0.1:{port}: {error}; set PORT to a free port, or to 0 for any").into()
    })
}

async fn interrupted() -> Result<()> {
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => pressed?,
        _ = terminated.recv() => {}
    }
    Ok(())
}

fn greet(shop: &str, supplier: &str, settings: &Settings) {
    let latency = settings.supplier_latency.as_millis();
    let threads = if settings.one_thread { "one thread" } else { "one thread per core" };
    println!(
        "The bookshop is open, on {threads}. Its supplier at {supplier} takes {latency} ms to answer.

  {shop}/
  {shop}/search?q=garden
  {shop}/books/7
  {shop}/api/books?q=lighthouse
  {shop}/api/books/7
  {shop}/metrics
  {shop}/fibers/backtraces

  curl -s {shop}/api/orders --json '{{\"customer\": \"Ada\", \"lines\": [{{\"book_id\": 7, \"quantity\": 1}}]}}'

Ctrl-C closes it."
    );
}
