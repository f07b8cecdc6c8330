//! What is measured, in which order, and where it is written.

use std::{env, fs};

use bench::results;
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

use crate::{Result, client, server::Server, tools};

/// Kinds and the path that they are asked for; a kind that cannot serve a path is left out of it.
const PATHS: [(&str, &str, &[&str]); 3] = [
    ("hello", "/hello", &["native", "native_spawn", "per_core", "pool", "spawn_blocking", "local_pool"]),
    ("wait", "/wait/5", &["native", "native_spawn", "per_core", "pool", "spawn_blocking", "local_pool"]),
    ("search", "/search?q=garden", &["per_core", "pool", "spawn_blocking"]),
];
const CONNECTIONS: [u64; 3] = [64, 256, 2000];
const H2: [&str; 5] = ["native", "native_spawn", "per_core", "pool", "spawn_blocking"];
const SKEWED: [&str; 3] = ["native", "per_core", "pool"];
const HERD: [&str; 4] = ["native", "per_core", "pool", "spawn_blocking"];

struct Rounds {
    runs: Vec<Value>,
    round: u64,
    seconds: u64,
    client: Runtime,
}

pub(crate) fn run() -> Result<()> {
    let number = |name, default| match env::var(name) {
        Ok(text) => text.parse::<u64>().map_err(|_| format!("{name} must be a number, not {text:?}")),
        Err(_) => Ok(default),
    };
    let (rounds, seconds, herd) =
        (number("BENCH_ROUNDS", 3)?, number("BENCH_SECONDS", 2)?, number("BENCH_HERD", 10_000)?);
    let parts = env::var("BENCH_PARTS").unwrap_or_else(|_| "wrk,h2,skew,herd".into());
    let has = |part| parts.split(',').any(|wanted| wanted == part);

    let client = Builder::new_current_thread().enable_all().build()?;
    let mut all = Rounds { runs: Vec::new(), round: 0, seconds, client };
    for round in 0..rounds {
        all.round = round;
        if has("wrk") {
            all.wrk()?;
        }
        for kind in H2.into_iter().filter(|_| has("h2")) {
            all.measure("h2", kind, "hello", 64, |_, server| tools::h2load(server.address, "/hello", 64, seconds))?;
        }
        for kind in SKEWED.into_iter().filter(|_| has("skew")) {
            all.measure("skew", kind, "hello", 64, |client, server| {
                client.block_on(client::skewed(server.address, seconds * 2))
            })?;
        }
        for kind in HERD.into_iter().filter(|_| has("herd")) {
            all.measure("herd", kind, "wait", herd, |client, server| {
                client.block_on(client::herd(server.address, herd))
            })?;
        }
    }

    let file = results::target().join("http.json");
    let text = json!({ "rounds": rounds, "seconds": seconds, "runs": all.runs });
    fs::write(&file, serde_json::to_string_pretty(&text)?)?;
    println!("wrote {}", file.display());
    Ok(())
}

impl Rounds {
    fn wrk(&mut self) -> Result<()> {
        for (name, path, kinds) in PATHS {
            for connections in CONNECTIONS {
                for kind in kinds {
                    // With many connections each search takes seconds, since all wait in turn for a few of the
                    // database.
                    let is_slow = name == "search" && connections > 1000;
                    let seconds = self.seconds * if is_slow { 6 } else { 1 };
                    self.measure("wrk", kind, name, connections, |_, server| {
                        tools::wrk(server.address, path, connections, seconds)
                    })?;
                }
            }
        }
        Ok(())
    }

    /// A server of its own for each measurement, so that its peak of memory is that of this one.
    fn measure(
        &mut self,
        part: &str,
        kind: &str,
        path: &str,
        connections: u64,
        load: impl FnOnce(&Runtime, &Server) -> Result<Value>,
    ) -> Result<()> {
        let server = Server::start(kind)?;
        let mut run =
            load(&self.client, &server).map_err(|error| format!("{part} {kind} {path} {connections}: {error}"))?;
        run["memory"] = server.peak_memory()?.into();
        run["part"] = part.into();
        run["kind"] = kind.into();
        run["path"] = path.into();
        run["connections"] = connections.into();
        println!("round {}: {run}", self.round);
        self.runs.push(run);
        Ok(())
    }
}
