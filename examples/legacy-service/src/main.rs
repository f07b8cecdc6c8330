//! Serves an application of synchronous code: see the README of this example.

mod auth;
mod failure;
mod hooks;
mod insight;
mod legacy;
mod live;
mod upstream;
mod web;

use std::{
    env::{self, VarError},
    error::Error,
    io::{self, Write as _},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use legacy::{stock, supplier::Supplier};
use tokio::{net::TcpListener, runtime::Builder, sync::watch};
use tower_fiber::{DumpOnSignal, axum::serve, run_in_fiber};
use tower_fiber_diesel::SqlitePool;
use ureq::config::Config;
use web::Shop;

const USAGE: &str = "usage: PORT=3000 DATABASE=stock.sqlite3 SUPPLIER_LATENCY_MS=100 legacy-service   \
                     all variables are optional; Ctrl-C or SIGTERM ends it";
/// How long clients may take for a request's head, and for each piece of its body.
const HEAD: Duration = Duration::from_secs(5);
const BODY: Duration = Duration::from_secs(5);
/// How long requests have to end after a signal.
const LAST_REQUESTS: Duration = Duration::from_secs(15);
/// How long the supplier may take.
const SUPPLIER: Duration = Duration::from_secs(5);

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_max_level(tracing_subscriber::filter::LevelFilter::WARN)
        .init();
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to be told if that fails.
            _ = writeln!(io::stderr(), "legacy-service: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    match env::args_os().nth(1) {
        None => {}
        Some(argument) if argument == "--help" || argument == "-h" => return say(USAGE),
        Some(other) => return Err(format!("there is no argument {other:?}; {USAGE}").into()),
    }
    let port = number("PORT", 3000)?;
    let latency = Duration::from_millis(number("SUPPLIER_LATENCY_MS", 100)?.into());
    Builder::new_multi_thread().enable_all().build()?.block_on(open(port, latency))
}

/// A variable of the environment.
fn number(name: &str, default: u16) -> Result<u16> {
    match env::var(name) {
        Ok(text) => text.parse().map_err(|_| format!("{name} is {text:?}, it must be a number from 0 to 65535").into()),
        Err(VarError::NotPresent) => Ok(default),
        Err(error) => Err(format!("{name}: {error}").into()),
    }
}

/// Prints, and fails where `println!` would panic.
fn say(text: &str) -> Result<()> {
    writeln!(io::stdout(), "{text}").map_err(|error| format!("cannot write to the standard output: {error}").into())
}

async fn open(port: u16, latency: Duration) -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await.map_err(|error| {
        format!("cannot listen on 127.0.0.1:{port}: {error}; set PORT to a free port, or to 0 for any")
    })?;
    let directory = tempfile::Builder::new().prefix("legacy-service-").tempdir()?;
    let file = match env::var("DATABASE") {
        Ok(file) => file,
        Err(VarError::NotPresent) => directory.path().join("stock.sqlite3").display().to_string(),
        Err(error) => return Err(format!("DATABASE: {error}").into()),
    };
    let pool = SqlitePool::builder(&file).max_size(4).setup("PRAGMA busy_timeout = 5000").build();
    let set_up = pool.clone();
    run_in_fiber(move || set_up.with(stock::set_up)?.map_err(Box::<dyn Error + Send + Sync>::from)).await.map_err(
        |error| format!("cannot use the database {file:?}: {error}; set DATABASE to a file that can be written"),
    )?;

    let supplier = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", supplier.local_addr()?);
    tokio::spawn(upstream::serve(supplier, latency));
    let config = Config::builder().proxy(None).timeout_global(Some(SUPPLIER)).max_idle_connections_per_host(32).build();
    let supplier = Supplier::new(hooks::ureq::agent(config), url);

    // `kill -USR1` prints where each request waits.
    DumpOnSignal::new().start()?;
    let layer = web::layer()?;
    let shop = Arc::new(Shop { pool, supplier, changes: watch::Sender::new(0) });
    say(&format!("legacy-service: http://{}", listener.local_addr()?))?;
    let server = serve(listener, web::router(shop, &layer)).layer(&layer);
    let report = server.header_timeout(HEAD).body_timeout(BODY).grace(LAST_REQUESTS).await?;
    if report.is_cut { Err(report.to_string().into()) } else { say(&format!("legacy-service: {report}")) }
}
