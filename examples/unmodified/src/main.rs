//! Runs the service on one thread: see the README of this example.

use std::{env, fs, net::Ipv4Addr, process::ExitCode};

use tokio::{
    net::TcpListener,
    runtime::Builder,
    signal::unix::{SignalKind, signal},
};
use unmodified::{
    CALLERS, Failure, libraries,
    measure::measure,
    options::{Options, USAGE},
    peers,
    service::{self, Library},
};

fn main() -> ExitCode {
    // Warnings of the crate, should a library block the thread after all.
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(tracing_subscriber::filter::LevelFilter::WARN)
        .init();
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Failure> {
    let options = Options::read(env::args().skip(1))?;
    if options.help {
        println!("{USAGE}");
        return Ok(());
    }
    let libraries = open(&options)?;
    Builder::new_current_thread().enable_all().build()?.block_on(serve(libraries, options.port))
}

/// Opens the libraries whose servers are there.
fn open(options: &Options) -> Result<Vec<Library>, Failure> {
    // A server is started only if none is named.
    let postgresql = options.postgresql.clone().or_else(|| {
        servers::postgresql().map(|server| format!("postgres://postgres@127.0.0.1:{}/postgres", server.port))
    });
    let mariadb = options
        .mariadb
        .clone()
        .or_else(|| servers::mariadb().map(|server| format!("mysql://root@127.0.0.1:{}/mysql", server.port)));
    let redis =
        options.redis.clone().or_else(|| servers::redis().map(|server| format!("redis://127.0.0.1:{}/", server.port)));

    let peers = peers::start()?;
    let mut all: Vec<Library> = vec![
        ("sleep", libraries::sleep()),
        ("net", libraries::net(peers.echo)),
        ("command", libraries::command()),
        ("lettre", libraries::lettre(peers.smtp)),
        ("ureq", libraries::ureq(peers.http)),
    ];
    if let Some(nginx) = servers::nginx() {
        let ca = fs::read(nginx.directory.join("ca.pem"))?;
        let proxy = format!("https://localhost:{}", nginx.port);
        all.push(("ureq-rustls", libraries::ureq_by_rustls(&proxy, &ca, peers.http)?));
        all.push(("ureq-native-tls", libraries::ureq_by_native_tls(&proxy, &ca, peers.http)?));
    }
    if let Some(url) = redis {
        all.push(("redis", libraries::redis(&url)?));
    }
    if let Some(url) = mariadb {
        all.push(("mysql", libraries::mysql(&url, CALLERS)?));
    }
    if let Some(url) = postgresql {
        all.push(("diesel", libraries::diesel(libraries::pool_of_diesel(&url, CALLERS, None)?)));
    }
    Ok(all)
}

async fn serve(libraries: Vec<Library>, port: u16) -> Result<(), Failure> {
    let [mut interrupted, mut terminated] = [signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?];
    let mut stopped = tokio::spawn(async move {
        tokio::select! {
            _ = interrupted.recv() => {}
            _ = terminated.recv() => {}
        }
    });
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .await
        .map_err(|error| format!("cannot listen on 127.0.0.1:{port}: {error}; choose another --port"))?;
    let address = listener.local_addr()?;
    let router = service::router(&libraries)?;
    tokio::select! {
        _ = &mut stopped => return Ok(()),
        shown = show(&router, &libraries) => shown?,
    }
    println!("\nEach also as a service:\n");
    for (name, _) in &libraries {
        println!("  curl http://{address}/fiber/{name}");
    }
    println!("  curl http://{address}/calls\n\nCtrl-C ends it.");
    // The task does nothing that can fail.
    Ok(axum::serve(listener, router).with_graceful_shutdown(async { _ = stopped.await }).await?)
}

/// Prints the table.
async fn show(router: &axum::Router, libraries: &[Library]) -> Result<(), Failure> {
    println!("{CALLERS} callers, each of which waits {:?} for a server, in milliseconds:\n", service::WAIT);
    println!(
        "| library | one alone | {CALLERS} in fibers of one thread | {CALLERS} by `spawn_blocking` on {CALLERS} threads |"
    );
    println!("|---|---:|---:|---:|");
    for library in libraries {
        let times = measure(router, library).await?;
        let [one, fibers, blocking] = [times.one, times.fibers, times.blocking].map(|time| time.as_millis());
        println!("| {} | {one} | {fibers} | {blocking} |", library.0);
    }
    Ok(())
}
