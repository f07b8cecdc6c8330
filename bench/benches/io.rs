//! 64 KiB reads, writes, and both in turn over a loopback connection: native async, `FiberIo` in place, `std::net` in
//! place with interposed calls, and `SyncIoBridge` on a blocking thread. Then what a call of libc's costs that is
//! passed on to the kernel.
//!
//! Rounds are interleaved, each kind once and then each once more, in turns about which is first and which follows
//! which. `BENCH_ROUNDS` (15) and `BENCH_MEBIBYTES` (512) of each run can be set, and `BENCH_KINDS`
//! (`native,fiber,interposed,bridge`; for a profile of one of them). The other side is a `std` thread, the same for
//! all.
//!
//! A bridge has two threads to a fiber's one, its own and the runtime's, so with an idle core to spare its rate tells
//! little of what it costs. Therefore each kind has one core for all its threads, as in a server whose cores are busy,
//! and the other side has another one. `BENCH_CORES=any` leaves that to the system. Beside the rate stands the
//! processor time of all threads but the other side's.

use std::{
    env,
    fs::File,
    io,
    io::{Read, Write},
    net::{Ipv4Addr, TcpListener},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    thread::{CpuSet, sched_getaffinity, sched_setaffinity},
    time::{ClockId, clock_gettime},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    runtime::Builder,
    task::spawn_blocking,
};
use tokio_util::io::SyncIoBridge;
use tower_fiber::{FiberLayer, io::FiberIo, run_in_fiber};

const BLOCK: usize = 64 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Reads,
    Writes,
    /// A block out and one back, in turn: each waits for the other side.
    Exchanges,
}

/// What code that knows nothing of the kinds does: so many blocks, and a byte for the end of writing.
fn transfer(mut stream: impl Read + Write, direction: Direction, blocks: usize) -> io::Result<()> {
    let mut block = vec![7; BLOCK];
    for _ in 0..blocks {
        match direction {
            Direction::Reads => stream.read_exact(&mut block)?,
            Direction::Writes => stream.write_all(&block)?,
            Direction::Exchanges => {
                stream.write_all(&block)?;
                stream.read_exact(&mut block)?;
            }
        }
    }
    if direction == Direction::Writes {
        stream.read_exact(&mut block[..1])?;
    }
    Ok(())
}

async fn transfer_async(mut stream: TcpStream, direction: Direction, blocks: usize) -> io::Result<()> {
    let mut block = vec![7; BLOCK];
    for _ in 0..blocks {
        match direction {
            Direction::Reads => _ = stream.read_exact(&mut block).await?,
            Direction::Writes => stream.write_all(&block).await?,
            Direction::Exchanges => {
                stream.write_all(&block).await?;
                stream.read_exact(&mut block).await?;
            }
        }
    }
    if direction == Direction::Writes {
        stream.read_exact(&mut block[..1]).await?;
    }
    Ok(())
}

/// What one run took.
struct Taken {
    elapsed: Duration,
    /// Of all threads but the other side's.
    processor: Duration,
}

/// The cores of this process.
fn cores() -> io::Result<Vec<usize>> {
    let set = sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU).filter(|&core| set.is_set(core)).collect())
}

/// Keeps this thread, and those that it starts, on one core.
fn pin(core: Option<usize>) -> io::Result<()> {
    if let Some(core) = core {
        let mut set = CpuSet::new();
        set.set(core);
        sched_setaffinity(None, &set)?;
    }
    Ok(())
}

/// Processor time that was used so far.
fn used(clock: ClockId) -> Duration {
    clock_gettime(clock).try_into().expect("it is not negative")
}

/// One connection for one run.
fn run(kind: &str, direction: Direction, blocks: usize, others: Option<usize>) -> io::Result<Taken> {
    let before = used(ClockId::ProcessCPUTime);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    let peer = thread::spawn(move || -> io::Result<Duration> {
        pin(others)?;
        let (mut stream, _) = listener.accept()?;
        let mut block = vec![7; BLOCK];
        for _ in 0..blocks {
            match direction {
                Direction::Reads => stream.write_all(&block)?,
                Direction::Writes => stream.read_exact(&mut block)?,
                Direction::Exchanges => {
                    stream.read_exact(&mut block)?;
                    stream.write_all(&block)?;
                }
            }
        }
        if direction == Direction::Writes {
            stream.write_all(&block[..1])?;
        }
        Ok(used(ClockId::ThreadCPUTime))
    });
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let elapsed = runtime.block_on(async {
        let stream = TcpStream::connect(address).await?;
        let begun = Instant::now();
        match kind {
            // As a task, since a fiber is one in a server.
            "native" => tokio::spawn(transfer_async(stream, direction, blocks)).await??,
            "fiber" => {
                tokio::spawn(run_in_fiber(move || transfer(FiberIo::new(stream), direction, blocks))).await??;
            }
            "interposed" => {
                let stream = stream.into_std()?;
                stream.set_nonblocking(false)?;
                let layer = FiberLayer::builder().interpose().build().map_err(io::Error::other)?;
                tokio::spawn(layer.run(move || transfer(stream, direction, blocks))).await??;
            }
            "bridge" => spawn_blocking(move || transfer(SyncIoBridge::new(stream), direction, blocks)).await??,
            _ => return Err(io::Error::other(format!("no kind {kind}"))),
        }
        Ok(begun.elapsed())
    })?;
    let others = peer.join().expect("the other side does not panic")?;
    Ok(Taken { elapsed, processor: used(ClockId::ProcessCPUTime) - before - others })
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn number(name: &str, default: usize) -> Result<usize, String> {
    match env::var(name) {
        Ok(text) => text.parse().map_err(|_| format!("{name} must be a number, not {text:?}")),
        Err(_) => Ok(default),
    }
}

/// The system call alone, in a function of its own, as libc has it.
#[inline(never)]
fn system_call(file: &File) -> io::Result<usize> {
    Ok(rustix::io::read(file, &mut [0_u8; 0])?)
}

/// Prints what an empty read of a file costs through libc's name, which leads to the crate, as a system call in a
/// function, and as one without: the best of many short rounds, in turn.
fn passed_on() -> io::Result<()> {
    const CALLS: u32 = 1000;
    const ROUNDS: u32 = 5000;
    let mut file = File::open("/dev/null")?;
    let [mut named, mut called, mut alone] = [Duration::MAX; 3];
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        for _ in 0..CALLS {
            assert_eq!(file.read(&mut [])?, 0);
        }
        named = named.min(begun.elapsed());
        let begun = Instant::now();
        for _ in 0..CALLS {
            assert_eq!(system_call(&file)?, 0);
        }
        called = called.min(begun.elapsed());
        let begun = Instant::now();
        for _ in 0..CALLS {
            assert_eq!(rustix::io::read(&file, &mut [0_u8; 0])?, 0);
        }
        alone = alone.min(begun.elapsed());
    }
    let [named, called, alone] = [named, called, alone].map(|best| best / CALLS);
    println!(
        "an empty read outside of fibers: {named:?} by libc's name, {called:?} as a system call in a function, {alone:?} as one without"
    );
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (rounds, mebibytes) = (number("BENCH_ROUNDS", 15)?.max(1), number("BENCH_MEBIBYTES", 512)?.max(1));
    let kinds = env::var("BENCH_KINDS").unwrap_or_else(|_| "native,fiber,interposed,bridge".into());
    let kinds: Vec<&str> = kinds.split(',').collect();
    let blocks = mebibytes * (1 << 20) / BLOCK;
    let (own, others) = match &cores()?[..] {
        &[own, other, ..] if env::var("BENCH_CORES").is_err() => (Some(own), Some(other)),
        _ => (None, None),
    };
    pin(own)?;

    println!("{}", if own.is_some() { "one core for each side" } else { "on all cores" });
    println!("{rounds} rounds of {mebibytes} MiB each; ratios to native of the same round: median, least and most");
    for direction in [Direction::Reads, Direction::Writes, Direction::Exchanges] {
        let mut rates = vec![Vec::new(); kinds.len()];
        let mut costs = rates.clone();
        for round in 0..rounds {
            for turn in 0..kinds.len() {
                // Backwards in each second round, so that none always follows the same one.
                let step = if round % 2 == 0 { turn } else { kinds.len() - 1 - turn };
                let kind = (round / 2 + step) % kinds.len();
                let Taken { elapsed, processor } = run(kinds[kind], direction, blocks, others)?;
                rates[kind].push(mebibytes as f64 / elapsed.as_secs_f64());
                costs[kind].push(processor.as_secs_f64() * 1e6 / blocks as f64);
            }
        }
        for ((kind, rate), cost) in kinds.iter().zip(&rates).zip(&costs) {
            println!(
                "{direction:?} {kind}: {:6.0} MiB/s, {}; processor {:5.1} µs for a block, {}",
                median(rate),
                ratios(rate, &rates[0]),
                median(cost),
                ratios(cost, &costs[0]),
            );
        }
    }
    passed_on()?;
    println!("the goals: fiber at 95 % of the rate or more, and ahead of bridge");
    Ok(())
}

fn ratios(values: &[f64], natives: &[f64]) -> String {
    let mut ratios: Vec<_> = values.iter().zip(natives).map(|(value, native)| 100.0 * value / native).collect();
    ratios.sort_by(f64::total_cmp);
    format!("{:4.0} % ({:.0} to {:.0})", median(&ratios), ratios[0], ratios[ratios.len() - 1])
}
