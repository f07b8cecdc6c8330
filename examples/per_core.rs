//! An axum server once per core, with plain functions as handlers.
//!
//! ```text
//! $ cargo run --example per_core --features axum,per-core
//! $ curl http://127.0.0.1:3000/            # in a second terminal
//! hello from core 1 of 2
//! ```
//!
//! `PORT` chooses another port. Ctrl-C ends the server when the last request has been answered.

use std::{env, error::Error, iter, process::ExitCode, sync::Arc, time::Duration};

use axum::{Router, extract::State, routing::get};
use tower_fiber::{WaitExt as _, axum::fiber, per_core::PerCore};

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
            eprintln!("per_core: {error}");
            iter::successors(error.source(), |&cause| cause.source()).for_each(|cause| eprintln!("  because: {cause}"));
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error + Send + Sync>> {
    let port = match env::var("PORT") {
        Ok(port) => port.parse().map_err(|_| format!("PORT is {port:?}, it must be a number from 0 to 65535"))?,
        Err(_) => 3000,
    };
    let server = PerCore::builder().shutdown_timeout(Duration::from_secs(10)).bind(("127.0.0.1", port))?;
    println!("http://{}/ is served on {} cores; Ctrl-C ends it", server.local_addr(), server.cores());
    server.run(interrupted(), |core, listener| {
        let place = Place { core: core.index(), count: core.count() };
        let app = Router::new().route("/", get(fiber(hello))).with_state(Arc::new(place));
        axum::serve(listener, app).with_graceful_shutdown(core.shutdown())
    })?;
    println!("Closed.");
    Ok(())
}

/// Ctrl-C. Where there is none to listen to, the server goes on.
async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending().await
    }
    println!("Closing.");
}
