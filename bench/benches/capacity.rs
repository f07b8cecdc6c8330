//! How many fibers wait in one process, and what each costs: time, memory, page tables, mappings.
//!
//! `cargo bench -p bench --bench capacity`. Each row is measured in a process of its own. corosensei's own stacks and
//! plain threads stand beside the fibers; so does the floor, the cost of first touching a page in mappings of the same
//! kind.

use std::{
    env, fs,
    future::{Future as _, poll_fn},
    hint::black_box,
    pin::Pin,
    process::Command,
    sync::{
        Arc, Barrier,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
    thread,
    time::{Duration, Instant},
};

use bench::drive::{context, in_task};
use corosensei::{Coroutine, stack::DefaultStack};
use memmap2::{Advice, MmapOptions};
use serde_json::{Value, json};
use tower_fiber::{FiberLayer, InFiber, WaitExt as _};

const KIB: usize = 1024;

fn main() {
    let args: Vec<_> = env::args().skip(1).filter(|arg| arg != "--bench").collect();
    if let [kind, count, size] = &args[..] {
        let (count, size) = (count.parse().expect("a count"), size.parse().expect("a size"));
        let row = match kind.as_str() {
            // On a thread that drives its runtime: elsewhere they would be on the pool.
            "fibers" => in_task(move || fibers(count, size)),
            "corosensei" => coroutines(count, size),
            "threads" => threads(count, size),
            other => panic!("no such row: {other}"),
        };
        println!("{row}");
        return;
    }
    let most = env::var("CAPACITY_MOST").ok().and_then(|most| most.parse().ok()).unwrap_or(1_000_000);
    let rows = [
        ("fibers", 10_000, 64),
        ("fibers", 100_000, 64),
        ("fibers", 1_000_000, 64),
        ("fibers", 100_000, 2048),
        ("corosensei", 10_000, 64),
        ("corosensei", 1_000_000, 64),
        ("threads", 1_000, 64),
        ("threads", 10_000, 64),
    ];
    println!("{HEADER}");
    let rows: Vec<_> =
        rows.into_iter().filter(|row| row.1 <= most).map(|(kind, count, size)| child(kind, count, size)).collect();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/capacity.json");
    fs::write(path, json!(rows).to_string()).expect("target/capacity.json can be written");
}

const HEADER: &str = "kind        wanted    there  stack KiB  start ns  floor ns  start/floor  resume ns  RSS KiB  page tables KiB  maps";

/// Runs one row in a child process and prints it.
fn child(kind: &str, count: usize, kib: usize) -> Value {
    let program = env::current_exe().expect("this program has a path");
    let args = [kind.to_owned(), count.to_string(), (kib * KIB).to_string()];
    let output = Command::new(program).args(args).output().expect("a child can be started");
    let text = String::from_utf8_lossy(&output.stdout);
    let row: Value =
        text.lines().last().and_then(|line| serde_json::from_str(line).ok()).unwrap_or_else(|| {
            panic!("{kind}, {count}: {}: {}", output.status, String::from_utf8_lossy(&output.stderr))
        });
    let figure = |name: &str, digits: usize| row[name].as_f64().map_or("-".to_owned(), |f| format!("{f:.digits$}"));
    println!(
        "{kind:10} {count:>8} {:>8} {kib:>10} {:>9} {:>9} {:>12} {:>10} {:>8} {:>16} {:>5}",
        row["there"],
        figure("start_ns", 0),
        figure("floor_ns", 0),
        row["start_ns"].as_f64().zip(row["floor_ns"].as_f64()).map_or("-".to_owned(), |(s, f)| format!("{:.2}", s / f)),
        figure("resume_ns", 0),
        figure("rss_kib", 2),
        figure("page_tables_kib", 2),
        row["maps"],
    );
    row
}

/// Fibers that all wait at once.
fn fibers(count: usize, size: usize) -> Value {
    let layer = FiberLayer::builder().stack_size(size).build().expect("a layer");
    let open = Arc::new(AtomicBool::new(false));
    let fiber = || {
        let open = Arc::clone(&open);
        Box::pin(layer.run(move || {
            poll_fn(|_| if open.load(Ordering::Relaxed) { Poll::Ready(()) } else { Poll::Pending }).wait();
        }))
    };
    let floor = floor(size);
    // The first fiber of a thread pays for what is done once.
    let mut first = fiber();
    assert!(poll(&mut first).is_pending());
    let mut waiting: Vec<Pin<Box<InFiber<()>>>> = Vec::with_capacity(count);
    let before = Memory::now();
    let begun = Instant::now();
    for _ in 0..count {
        let mut fiber = fiber();
        assert!(poll(&mut fiber).is_pending());
        waiting.push(fiber);
    }
    let start = begun.elapsed();
    let after = Memory::now();
    let maps = maps();
    let begun = Instant::now();
    assert!(waiting.iter_mut().all(|fiber| poll(fiber).is_pending()));
    let resume = begun.elapsed();
    open.store(true, Ordering::Relaxed);
    assert!(waiting.iter_mut().chain([&mut first]).all(|fiber| poll(fiber).is_ready()));
    let each = |total: Duration| total.as_nanos() as f64 / count as f64;
    json!({
        "kind": "fibers", "wanted": count, "there": count, "stack": size, "maps": maps,
        "start_ns": each(start), "floor_ns": floor, "resume_ns": each(resume),
        "rss_kib": after.rss_since(&before, count), "page_tables_kib": after.page_tables_since(&before, count),
    })
}

fn poll(fiber: &mut Pin<Box<InFiber<()>>>) -> Poll<()> {
    fiber.as_mut().poll(&mut context())
}

/// Nanoseconds for the first touch of a page, one in each stretch of memory as long as a stack with its guard.
fn floor(size: usize) -> f64 {
    const PAGES: usize = 20_000;
    let stride = size + 64 * KIB;
    let mut memory = MmapOptions::new().len(PAGES * stride).no_reserve_swap().map_anon().expect("a mapping");
    // A kernel without huge pages refuses this, and needs it not.
    _ = memory.advise(Advice::NoHugePage);
    let begun = Instant::now();
    for page in 0..PAGES {
        memory[page * stride + size] = 1;
    }
    let floor = begun.elapsed().as_nanos() as f64 / PAGES as f64;
    black_box(&memory);
    floor
}

/// corosensei's coroutines on its own stacks, until there is no more.
fn coroutines(count: usize, size: usize) -> Value {
    let mut waiting = Vec::with_capacity(count);
    let before = Memory::now();
    let begun = Instant::now();
    while waiting.len() < count {
        let Ok(stack) = DefaultStack::new(size) else { break };
        let mut coroutine = Coroutine::<(), (), ()>::with_stack(stack, |yielder, ()| yielder.suspend(()));
        coroutine.resume(());
        waiting.push(coroutine);
    }
    let start = begun.elapsed();
    let there = waiting.len();
    let after = Memory::now();
    // Before anything is allocated: at the limit of mappings even that may fail.
    let row = json!({
        "kind": "corosensei", "wanted": count, "there": there, "stack": size,
        "start_ns": start.as_nanos() as f64 / there as f64,
        "rss_kib": after.rss_since(&before, there), "page_tables_kib": after.page_tables_since(&before, there),
    });
    println!("{row}");
    let begun = Instant::now();
    for coroutine in &mut waiting {
        coroutine.resume(());
    }
    let mut row = row;
    row["resume_ns"] = json!(begun.elapsed().as_nanos() as f64 / there as f64);
    row
}

/// Threads that all wait at once.
fn threads(count: usize, size: usize) -> Value {
    let barrier = Arc::new(Barrier::new(count + 1));
    let before = Memory::now();
    let begun = Instant::now();
    let waiting: Vec<_> = (0..count)
        .map_while(|_| {
            let barrier = Arc::clone(&barrier);
            let wait = move || {
                barrier.wait();
                barrier.wait();
            };
            thread::Builder::new().stack_size(size).spawn(wait).ok()
        })
        .collect();
    assert_eq!(waiting.len(), count, "threads could not be started");
    barrier.wait();
    let start = begun.elapsed();
    let after = Memory::now();
    let maps = maps();
    let begun = Instant::now();
    barrier.wait();
    waiting.into_iter().for_each(|thread| thread.join().expect("a thread ends"));
    let resume = begun.elapsed();
    let each = |total: Duration| total.as_nanos() as f64 / count as f64;
    json!({
        "kind": "threads", "wanted": count, "there": count, "stack": size, "maps": maps,
        "start_ns": each(start), "resume_ns": each(resume),
        "rss_kib": after.rss_since(&before, count), "page_tables_kib": after.page_tables_since(&before, count),
    })
}

/// What the kernel says of this process, in KiB.
struct Memory {
    rss: f64,
    page_tables: f64,
}

impl Memory {
    fn now() -> Self {
        let status = fs::read_to_string("/proc/self/status").expect("Linux");
        let kib = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a line of /proc/self/status");
            line.split_whitespace().next().and_then(|kib| kib.parse().ok()).expect("a number")
        };
        Self { rss: kib("VmRSS:"), page_tables: kib("VmPTE:") }
    }

    fn rss_since(&self, before: &Self, count: usize) -> f64 {
        (self.rss - before.rss) / count as f64
    }

    fn page_tables_since(&self, before: &Self, count: usize) -> f64 {
        (self.page_tables - before.page_tables) / count as f64
    }
}

fn maps() -> usize {
    fs::read_to_string("/proc/self/maps").expect("Linux").lines().count()
}
