//! Runs the service on one thread: see the README of this example.

use std::{
    env, fs,
    io::{self, Write as _},
    net::Ipv4Addr,
    process::ExitCode,
};

use tokio::{net::TcpListener, runtime::Builder};
use tower_fiber::{axum::serve, shutdown_signal};
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
            _ = writeln!(io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Failure> {
    let options = Options::read(env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned()))?;
    if options.help {
        return say(USAGE);
    }
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let listener = runtime.block_on(listen(options.port))?;
    let libraries = open(&options)?;
    runtime.block_on(measure_and_serve(libraries, listener))
}

/// Prints a text, and fails where `println!` would panic: on a full disk, and when nobody reads.
fn say(text: &str) -> Result<(), Failure> {
    writeln!(io::stdout(), "{text}").map_err(|error| format!("cannot write to the standard output: {error}").into())
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

async fn listen(port: u16) -> Result<TcpListener, Failure> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .await
        .map_err(|error| format!("cannot listen on 127.0.0.1:{port}: {error}; choose another --port").into())
}

async fn measure_and_serve(libraries: Vec<Library>, listener: TcpListener) -> Result<(), Failure> {
    let mut stopped = tokio::spawn(shutdown_signal());
    let address = listener.local_addr()?;
    let (router, layer) = service::router(&libraries)?;
    tokio::select! {
        _ = &mut stopped => return Ok(()),
        shown = show(&router, &libraries) => shown?,
    }
    let urls: String = libraries.iter().map(|(name, _)| format!("  curl http://{address}/fiber/{name}\n")).collect();
    say(&format!("\nEach also as a service:\n\n{urls}  curl http://{address}/calls\n\nCtrl-C ends it."))?;
    // The task does nothing that can fail.
    let report = serve(listener, router).layer(&layer).with_graceful_shutdown(async { _ = stopped.await }).await?;
    if report.is_cut { Err(report.to_string().into()) } else { Ok(()) }
}

/// Prints the table.
async fn show(router: &axum::Router, libraries: &[Library]) -> Result<(), Failure> {
    say(&format!(
        "{CALLERS} callers, each of which waits {:?} for a server, in milliseconds:

| library | one alone | {CALLERS} in fibers of one thread | of which work | of one and the work | {CALLERS} by `spawn_blocking` on {CALLERS} threads |
|---|---:|---:|---:|---:|---:|",
        service::WAIT
    ))?;
    for library in libraries {
        let times = measure(router, library).await?;
        let share = 100.0 * times.fibers.as_secs_f64() / (times.one + times.work).as_secs_f64();
        let [one, fibers, work, blocking] =
            [times.one, times.fibers, times.work, times.blocking].map(|time| time.as_millis());
        say(&format!("| {} | {one} | {fibers} | {work} | {share:.0} % | {blocking} |", library.0))?;
    }
    Ok(())
}
