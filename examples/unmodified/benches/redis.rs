//! Small requests to Redis, one after the other in one fiber: by the synchronous client, unmodified, and by the
//! asynchronous one with `.wait()`.
//!
//! `cargo bench --manifest-path examples/unmodified/Cargo.toml --bench redis` starts Debian's server. The best of many
//! short rounds, in turn.

use std::time::{Duration, Instant};

use redis::{AsyncCommands, Client, Commands};
use tokio::runtime::Builder;
use tower_fiber::{FiberLayer, WaitExt as _};

const REQUESTS: u32 = 500;
const ROUNDS: u32 = 100;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Some(server) = servers::redis() else { return Ok(()) };
    let client = Client::open(format!("redis://127.0.0.1:{}/", server.port))?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let layer = FiberLayer::builder().interpose().build()?;
    let measured = runtime.block_on(layer.run(move || measure(&client)))?;
    let [synchronous, asynchronous] = measured.map(|best| best / REQUESTS);
    println!("a request takes {synchronous:?} by the synchronous client and {asynchronous:?} by the asynchronous one");
    Ok(())
}

fn measure(client: &Client) -> redis::RedisResult<[Duration; 2]> {
    let mut synchronous = client.get_connection()?;
    let mut asynchronous = client.get_multiplexed_async_connection().wait()?;
    Commands::set::<_, _, ()>(&mut synchronous, "key", "value")?;
    let mut best = [Duration::MAX; 2];
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        for _ in 0..REQUESTS {
            let _: String = Commands::get(&mut synchronous, "key")?;
        }
        best[0] = best[0].min(begun.elapsed());
        let begun = Instant::now();
        for _ in 0..REQUESTS {
            let _: String = AsyncCommands::get(&mut asynchronous, "key").wait()?;
        }
        best[1] = best[1].min(begun.elapsed());
    }
    Ok(best)
}
