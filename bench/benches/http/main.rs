//! Real axum servers, each in its own process, under load: throughput, latencies and peak memory.
//!
//! It needs `wrk` and `h2load` (Debian's `wrk` and `nghttp2-client`). Rounds are interleaved: each kind of server once,
//! then each once more. `BENCH_ROUNDS` (3), `BENCH_SECONDS` (2) of each run, `BENCH_HERD` (10000) connections that wait
//! at once, and `BENCH_PARTS` (`wrk,h2,skew,herd`) can be set. What comes out is in `http.json` of the target
//! directory.

mod client;
mod kinds;
mod rounds;
mod server;
mod shop;
mod tools;

use std::{env, error::Error};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Result<()> {
    // Each connection of the herd is a file here and another one in the server.
    rlimit::increase_nofile_limit(u64::MAX)?;
    let mut arguments = env::args().skip(1);
    match arguments.next().as_deref() {
        Some("--serve") => kinds::serve(&arguments.next().ok_or("serve what?")?),
        _ => rounds::run(),
    }
}
