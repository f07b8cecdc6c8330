//! What a call costs while many others wait, and with what servers have around it.
//!
//! `cargo bench -p bench --bench crowd`. A call waits once and suspends. So many begin, all wait, and all end, over and
//! over: nanoseconds per call, the best of many short rounds. The layer is held, so each call that waits is registered
//! for `cancel_all`. Each row is measured in a process of its own, since a subscriber is there for a whole process.
//! `CROWD_MOST` (100000) is the largest crowd, `CROWD_MILLIS` (20) the length of a round, `CROWD_ROUNDS` (25) their
//! number, `CROWD_PASSES` (5) how often all of this is done.

use std::{
    env, fs,
    future::Future,
    io,
    process::Command,
    task::Poll,
    time::{Duration, Instant},
};

use bench::{
    drive::{context, in_task},
    results,
    work::suspend,
};
use corosensei::{Coroutine, CoroutineResult, stack::DefaultStack};
use serde_json::{Map, Value, json};
use tower_fiber::{FiberLayer, WaitExt as _};
use tracing::Instrument as _;

const CROWDS: [usize; 6] = [1, 16, 100, 1_000, 10_000, 100_000];

/// Of the table for growth.
const GROWTH: [&str; 4] = ["coroutine", "async", "fiber-64", "fiber"];

/// Of the table for production, whose crowds are 1 and 1,000.
const PRODUCTION: [&str; 8] = [
    "async-span",
    "fiber",
    "fiber-metrics",
    "fiber-detector",
    "fiber-limit",
    "fiber-subscriber",
    "fiber-span",
    "fiber-all",
];

fn main() {
    let args: Vec<_> = env::args().skip(1).filter(|arg| arg != "--bench").collect();
    if let [kind, crowd] = &args[..] {
        let (kind, crowd) = (kind.clone(), crowd.parse().expect("a count"));
        println!("{}", in_task(move || measure(&kind, crowd)));
        return;
    }
    let most = number("CROWD_MOST", 100_000);
    let crowds: Vec<_> = CROWDS.into_iter().filter(|&crowd| crowd <= most).collect();
    let rows = json!({
        "growth": table("how many wait", &GROWTH, &crowds),
        "production": table("with what is around it", &PRODUCTION, &[1, 1_000]),
    });
    fs::write(results::target().join("crowd.json"), rows.to_string()).expect("the target directory can be written");
}

fn number(name: &str, default: usize) -> usize {
    env::var(name)
        .map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} must be a number, not {text:?}")))
}

/// Measures and prints one table. Each figure is the best of some passes over the whole table, since a machine that
/// others use as well may be slow for seconds.
fn table(title: &str, kinds: &[&str], crowds: &[usize]) -> Value {
    let mut best = vec![vec![None::<f64>; crowds.len()]; kinds.len()];
    for _ in 0..number("CROWD_PASSES", 5) {
        for (kind, figures) in kinds.iter().zip(&mut best) {
            for (&crowd, figure) in crowds.iter().zip(figures) {
                // corosensei's stacks take two mappings each, of which the system allows 65,530.
                if *kind != "coroutine" || crowd <= 10_000 {
                    *figure = Some(figure.unwrap_or(f64::INFINITY).min(child(kind, crowd)));
                }
            }
        }
    }
    print!("{title:24}");
    crowds.iter().for_each(|crowd| print!("{crowd:>9}"));
    println!();
    let mut rows = Map::new();
    for (kind, figures) in kinds.iter().zip(best) {
        print!("{kind:24}");
        figures.iter().for_each(|nanos| print!("{:>9}", nanos.map_or("-".to_owned(), |nanos| format!("{nanos:.0}"))));
        println!();
        rows.insert((*kind).to_owned(), json!({ "crowds": crowds, "nanos": figures }));
    }
    Value::Object(rows)
}

fn child(kind: &str, crowd: usize) -> f64 {
    let program = env::current_exe().expect("this program has a path");
    let output = Command::new(program).args([kind, &crowd.to_string()]).output().expect("a child can be started");
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim()
        .parse()
        .unwrap_or_else(|_| panic!("{kind} with {crowd}: {text}{}", String::from_utf8_lossy(&output.stderr)))
}

fn measure(kind: &str, crowd: usize) -> f64 {
    let builder = FiberLayer::builder().name("orders");
    let built = |builder: tower_fiber::FiberLayerBuilder| builder.build().expect("a layer");
    let limit = crowd + 1;
    match kind {
        "coroutine" => coroutines(crowd),
        "async" => steady(crowd, suspend),
        "async-span" => {
            subscribe();
            steady(crowd, || suspend().instrument(tracing::info_span!("request")))
        }
        "fiber-64" => fibers(crowd, &built(builder.stack_size(64 * 1024))),
        "fiber" => fibers(crowd, &built(builder)),
        "fiber-metrics" => fibers(crowd, &built(builder.metrics())),
        "fiber-detector" => fibers(crowd, &built(builder.detect_blocking(Duration::from_millis(100)))),
        "fiber-limit" => fibers(crowd, &built(builder.max_fibers(limit))),
        "fiber-subscriber" => {
            subscribe();
            fibers(crowd, &built(builder))
        }
        "fiber-span" => {
            subscribe();
            spans(crowd, &built(builder))
        }
        "fiber-all" => {
            subscribe();
            spans(crowd, &built(builder.metrics().detect_blocking(Duration::from_millis(100)).max_fibers(limit)))
        }
        other => panic!("no such row: {other}"),
    }
}

/// As servers log, but to nowhere.
fn subscribe() {
    tracing_subscriber::fmt().with_writer(io::sink).init();
}

fn fibers(crowd: usize, layer: &FiberLayer) -> f64 {
    steady(crowd, || layer.run(|| suspend().wait()))
}

fn spans(crowd: usize, layer: &FiberLayer) -> f64 {
    steady(crowd, || layer.run(|| suspend().wait()).instrument(tracing::info_span!("request")))
}

/// Nanoseconds per call.
fn steady<F: Future<Output = ()>>(crowd: usize, start: impl Fn() -> F) -> f64 {
    let mut calls: Vec<_> = (0..crowd).map(|_| Box::pin(start())).collect();
    best(crowd, || {
        let cx = &mut context();
        for call in &mut calls {
            // Where its predecessor was, so that allocating is not measured.
            call.set(start());
            assert!(call.as_mut().poll(cx).is_pending());
        }
        for call in &mut calls {
            assert_eq!(call.as_mut().poll(cx), Poll::Ready(()));
        }
    })
}

/// corosensei's coroutines, their stacks kept in a `Vec`: the floor.
fn coroutines(crowd: usize) -> f64 {
    let mut stacks: Vec<DefaultStack> = (0..crowd).map(|_| DefaultStack::new(64 * 1024).expect("a stack")).collect();
    let mut calls = Vec::with_capacity(crowd);
    best(crowd, || {
        for stack in stacks.drain(..) {
            let mut coroutine = Coroutine::<(), (), (), _>::with_stack(stack, |yielder, ()| yielder.suspend(()));
            assert!(matches!(coroutine.resume(()), CoroutineResult::Yield(())));
            calls.push(coroutine);
        }
        for mut coroutine in calls.drain(..) {
            assert!(matches!(coroutine.resume(()), CoroutineResult::Return(())));
            stacks.push(coroutine.into_stack());
        }
    })
}

/// The best round's nanoseconds for a call.
fn best(crowd: usize, mut wave: impl FnMut()) -> f64 {
    let round = Duration::from_millis(number("CROWD_MILLIS", 20) as u64);
    let rounds = number("CROWD_ROUNDS", 25);
    let waves = 256_usize.div_ceil(crowd);
    // So that the first round finds what the others find.
    wave();
    let mut best = f64::INFINITY;
    for _ in 0..rounds {
        let (begun, mut count) = (Instant::now(), 0);
        while begun.elapsed() < round {
            (0..waves).for_each(|_| wave());
            count += waves * crowd;
        }
        best = best.min(begun.elapsed().as_nanos() as f64 / count as f64);
    }
    best
}
