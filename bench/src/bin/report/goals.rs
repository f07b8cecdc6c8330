//! The figures that the crate is held to, and what came out.

use crate::{
    capacity::Capacity,
    crowd::Crowd,
    estimates::{Case, Estimates},
    servers::{Run, Servers},
    table::{Table, or_dash},
};

pub(crate) fn section(estimates: &Estimates, servers: &Servers, capacity: &Capacity, crowd: &Crowd) -> String {
    let mut goals = Goals(Table::new(&["figure", "goal", "measured", "met"]));
    overhead(&mut goals, estimates);
    production(&mut goals, crowd, call_floor(estimates));
    throughput(&mut goals, servers);
    goals.most("one wait at 1,000 waiting, over the same alone", 1.4, "×", crowd.growth(1_000));
    goals.most("the same at 10,000 waiting", 2.0, "×", crowd.growth(10_000));
    goals.most("suspended fibers: bytes of each", 5.0 * 1024.0, "B", capacity.bytes_per_fiber());
    format!("\n## Goals\n{NOTE}{}", goals.0.into_text())
}

/// What the goals in nanoseconds were set against: a coroutine on a stack that is used again, and a switch to it and
/// back.
const CALL_FLOOR: f64 = 20.0;
const WAIT_FLOOR: f64 = 3.2;

const NOTE: &str = "
The goals in nanoseconds were set on a machine on which a bare coroutine takes 20 ns and a switch to it and back 3.2 ns. Here
`corosensei` says what they take in the same run; a figure that keeps the goal's ratio to that is met by the ratio.
[Where the time goes](bench/PROFILE.md) has a profile.
";

/// How much slower this machine is for calls than the one that the goals were set on.
fn call_floor(estimates: &Estimates) -> Option<f64> {
    estimates.per_call("bare", Case::single("none", "root"), "corosensei").map(|floor| floor / CALL_FLOOR)
}

fn overhead(goals: &mut Goals, estimates: &Estimates) {
    let over_by = |case, peer: &str, base: &str| {
        Some(estimates.per_call("bare", case, peer)? - estimates.per_call("bare", case, base)?)
    };
    let over = |case, base| over_by(case, "in_place", base);
    let none = Case::single("none", "root");
    let call_floor = call_floor(estimates);
    goals.scaled("a call without wait, over the service called directly", 40.0, over(none, "direct"), call_floor);
    let large = Case { payload: "large", ..none };
    let limited = over_by(large, "in_place_limited", "direct");
    goals.scaled("the same with 224 B in and 128 B out and `max_fibers`", 75.0, limited, call_floor);

    let wait = |depth| Some(estimates.per_wait(depth, "in_place")? - estimates.per_wait(depth, "native")?);
    let wait_floor = estimates.per_wait("root", "corosensei").map(|floor| floor / WAIT_FLOOR);
    let each = "a wait that suspends, over `.await`, at the root: each of ten";
    goals.scaled(each, 10.0, wait("root"), wait_floor);
    goals.scaled("the same ten ordinary calls deep", 30.0, wait("deep"), wait_floor);
    let first =
        |depth| Some(over(Case::single("one", depth), "native")? - over(Case::single("none", depth), "native")?);
    goals.scaled("the first wait of a call, at the root", 10.0, first("root"), wait_floor);
    goals.scaled("the same ten ordinary calls deep", 30.0, first("deep"), wait_floor);
    let ready = || Some(over(Case::single("ready", "root"), "native")? - over(none, "native")?);
    goals.scaled("a wait that is ready, over `.await`", 3.0, ready(), wait_floor);
}

fn production(goals: &mut Goals, crowd: &Crowd, call_floor: Option<f64>) {
    let over = |kind, base, waiting| Some(crowd.production(kind, waiting)? - crowd.production(base, waiting)?);
    for (figure, goal, kind) in [
        ("`.metrics()`, over a call without", 40.0, "fiber-metrics"),
        ("`.detect_blocking(..)`, over a call without", 15.0, "fiber-detector"),
        ("`.max_fibers(..)`, over a call without", 25.0, "fiber-limit"),
        ("a subscriber, over a call without", 20.0, "fiber-subscriber"),
        ("a subscriber and a span, over a call without", 150.0, "fiber-span"),
    ] {
        goals.scaled(figure, goal, over(kind, "fiber", 1), call_floor);
    }
    let all = "all of these, over native async in the same span";
    goals.scaled(all, 200.0, over("fiber-all", "async-span", 1), call_floor);
    goals.scaled("the same at 1,000 waiting", 300.0, over("fiber-all", "async-span", 1_000), call_floor);
}

fn throughput(goals: &mut Goals, servers: &Servers) {
    let rate = |path, connections, kind, base| {
        let run = Run { part: "wrk", path, connections, figure: "rate" };
        Some(servers.ratio(run, kind, base)? * 100.0)
    };
    goals.least(
        "hello, 256 connections: one runtime per core, of native",
        98.0,
        "%",
        rate("hello", 256, "per_core", "native"),
    );
    goals.least("hello, 256 connections: pool, of native", 85.0, "%", rate("hello", 256, "pool", "native"));
    goals.least("the same, of native plus one hop", 95.0, "%", rate("hello", 256, "pool", "native_spawn"));
    goals.least("wait of 5 ms, 256 connections: pool, of native", 95.0, "%", rate("wait", 256, "pool", "native"));
    goals.least("wait of 5 ms, 2,000 connections: pool, of native", 85.0, "%", rate("wait", 2000, "pool", "native"));
    let per_core = rate("wait", 2000, "per_core", "native");
    goals.least("wait of 5 ms, 2,000 connections: one runtime per core, of native", 98.0, "%", per_core);
    for (figure, path, connections) in [
        ("hello, 2,000 connections: pool, of native plus one hop", "hello", 2000),
        ("wait of 5 ms, 256 connections: pool, of native plus one hop", "wait", 256),
        ("wait of 5 ms, 2,000 connections: pool, of native plus one hop", "wait", 2000),
    ] {
        goals.least(figure, 97.0, "%", rate(path, connections, "pool", "native_spawn"));
    }
    let streams = Run { part: "h2", path: "hello", connections: 64, figure: "rate" };
    let of_spawned = servers.ratio(streams, "pool", "native_spawn").map(|ratio| ratio * 100.0);
    goals.least("HTTP/2, 10 streams in each of 64 connections: pool, of native plus one hop", 97.0, "%", of_spawned);

    let times =
        |part, path, connections, kind, figure| servers.ratio(Run { part, path, connections, figure }, kind, "native");
    goals.most(
        "wait of 5 ms, 256 connections: p99 of the pool",
        1.33,
        "× native",
        times("wrk", "wait", 256, "pool", "p99"),
    );
    goals.most(
        "wait of 5 ms, 2,000 connections: p99 of the pool",
        1.33,
        "× native",
        times("wrk", "wait", 2000, "pool", "p99"),
    );
    goals.most(
        "1 % of calls burn 5 ms: p99 of the others, pool",
        1.5,
        "× native",
        times("skew", "hello", 64, "pool", "p99"),
    );
    for kind in ["per_core", "pool"] {
        let what = format!("10,000 connections wait 1 s: time until all are served, `{kind}`");
        goals.most(&what, 1.2, "× native", times("herd", "wait", 10_000, kind, "seconds"));
    }
}

struct Goals(Table);

impl Goals {
    fn most(&mut self, figure: &str, goal: f64, unit: &str, measured: Option<f64>) {
        self.row(figure, format!("at most {goal} {unit}"), unit, measured, measured.is_some_and(|m| m <= goal));
    }

    fn least(&mut self, figure: &str, goal: f64, unit: &str, measured: Option<f64>) {
        self.row(figure, format!("at least {goal} {unit}"), unit, measured, measured.is_some_and(|m| m >= goal));
    }

    /// A time in nanoseconds. `scale` is how much slower this machine is than the one that the goal was set on.
    fn scaled(&mut self, figure: &str, goal: f64, measured: Option<f64>, scale: Option<f64>) {
        let verdict = match (measured, scale) {
            (Some(measured), _) if measured <= goal => "yes",
            (Some(measured), Some(scale)) if measured <= goal * scale => "by the ratio",
            (Some(_), _) => "**no**",
            (None, _) => "–",
        };
        let goal = match scale {
            Some(scale) => format!("at most {goal} ns, here {:.0} ns", goal * scale),
            None => format!("at most {goal} ns"),
        };
        self.0.row([figure.to_owned(), goal, or_dash(measured, |m| format!("{m:.0} ns")), verdict.to_owned()]);
    }

    fn row(&mut self, figure: &str, goal: String, unit: &str, measured: Option<f64>, met: bool) {
        let verdict = or_dash(measured, |_| if met { "yes" } else { "**no**" }.to_owned());
        let digits = if unit.starts_with('×') { 2 } else { 0 };
        self.0.row([figure.to_owned(), goal, or_dash(measured, |m| format!("{m:.digits$} {unit}")), verdict]);
    }
}
