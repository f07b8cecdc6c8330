//! An axum server once per core, with plain functions as handlers.
//!
//! ```text
//! $ cargo run --example per_core --features axum,per-core
//! $ curl http://127.0.0.1:3000/            # in a second terminal
//! hello from core 1 of 2
//! ```
//!
//! `PORT` chooses another port. Ctrl-C and SIGTERM end the server when the last request has been answered.

use std::{
    env::{self, VarError},
    error::Error,
    io::{self, Write as _},
    iter,
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use axum::{Router, extract::State, routing::get};
use tower_fiber::{
    FiberLayer, WaitExt as _,
    axum::{fiber_with, serve},
    per_core::PerCore,
    shutdown_signal,
};

const USAGE: &str = "usage: PORT=3000 per_core   serves on 127.0.0.1 until Ctrl-C or SIGTERM; PORT chooses the port, 0 any that is free";

/// How long requests have to end.
const LAST_REQUESTS: Duration = Duration::from_secs(10);

/// What the handlers of one core know.
#[derive(Clone)]
struct Place {
    core: usize,
    count: usize,
}

/// A plain function, below the handler.
fn ask_somebody() {
    tokio::time::sleep(Duration::from_millis(100)).wait();
}

fn hello(State(place): State<Arc<Place>>) -> String {
    ask_somebody();
    format!("hello from core {} of {}\n", place.core, place.count)
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            _ = writeln!(io::stderr(), "per_core: {error}");
            iter::successors(error.source(), |&cause| cause.source())
                .for_each(|cause| _ = writeln!(io::stderr(), "  because: {cause}"));
            ExitCode::FAILURE
        }
    }
}

/// Prints a text, and fails where `println!` would panic: on a full disk, and when nobody reads.
fn say(text: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
    writeln!(io::stdout(), "{text}").map_err(|error| format!("cannot write to the standard output: {error}").into())
}

fn run() -> Result<(), Box<dyn Error + Send + Sync>> {
    match env::args_os().nth(1) {
        None => {}
        Some(argument) if argument == "--help" || argument == "-h" => return say(USAGE),
        Some(other) => return Err(format!("there is no argument {other:?}; {USAGE}").into()),
    }
    let port = match env::var("PORT") {
        Ok(port) => port.parse().map_err(|_| format!("PORT is {port:?}, it must be a number from 0 to 65535"))?,
        Err(VarError::NotPresent) => 3000,
        Err(error) => return Err(format!("PORT: {error}").into()),
    };
    let server = PerCore::bind(("127.0.0.1", port))?;
    let layer = FiberLayer::new().name("hello");
    say(&format!("http://{}/ is served on {} cores; Ctrl-C ends it", server.local_addr(), server.cores()))?;
    let reports = server.run(shutdown_signal(), |core, listener| {
        let place = Place { core: core.index(), count: core.count() };
        let app = Router::new().route("/", get(fiber_with(&layer, hello))).with_state(Arc::new(place));
        serve(listener, app).layer(&layer).grace(LAST_REQUESTS).on_core(&core)
    })?;
    match reports.iter().find(|report| report.is_cut) {
        None => say("Closed."),
        Some(report) => Err(report.to_string().into()),
    }
}
