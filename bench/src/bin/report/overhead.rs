//! What a call and a wait cost.

use std::path::Path;

use crate::{
    Result, chart,
    estimates::{Case, Estimates},
    svg,
    table::{Table, or_dash, short},
};

const BARE: [&str; 6] = ["direct", "native", "in_place", "in_place_limited", "corosensei", "stackful"];
const SCHEDULED: [&str; 8] =
    ["native", "native_spawn", "in_place", "pool", "block_in_place", "spawn_blocking", "local_pool", "may"];

const INTRO: &str = "
## Overhead

Nanoseconds per call, by the best of three rounds. `direct` is the service without a layer, `native` the same as async code, `in_place` and `pool` are
tower-fiber, `in_place_limited` has `max_fibers` set, `corosensei` is the bare coroutine on a stack that is used again, `block_in_place` and `spawn_blocking` are those of
tokio with `Handle::block_on`, `local_pool` is tokio-util's `LocalPoolHandle` (which runs async code). `none`, `ready`, `one`, `ten` are the waits of a
call: none, one that is ready at once, one and ten that suspend. `deep` is ten ordinary calls (or async functions) below the
service. `large` is 224 bytes in and 128 out, else each is one word. A wait of `corosensei` and `may` is a bare yield: they know no futures.
";

pub(crate) fn section(estimates: &Estimates, charts: &Path) -> Result<String> {
    if estimates.is_empty() {
        return Ok(String::new());
    }
    let mut text = INTRO.to_owned();
    text += "\n### Polled by hand\n\nIn brackets: of `corosensei`.\n";
    text += &table(estimates, "bare", &BARE, "corosensei");
    text += "\n### On a scheduler of two threads\n\n`in_place` has one thread. With 1 in flight it is the time of a round trip, \
             with 1,000 that of each of them. In brackets: of `native`.\n";
    text += &table(estimates, "scheduled", &SCHEDULED, "native");

    let title = "Nanoseconds per wait that suspends";
    let peers = ["native", "in_place", "corosensei", "stackful"];
    let bars: Vec<_> = peers
        .iter()
        .flat_map(|&peer| [("root", peer), ("deep", peer)])
        .filter_map(|(depth, peer)| Some((format!("{peer}, {depth}"), estimates.per_wait(depth, peer)?)))
        .collect();
    text += &chart(charts, "cost-of-a-wait.svg", title, &svg::bars(title, &bars))?;
    Ok(text)
}

fn cases() -> impl Iterator<Item = Case> {
    [1, 1000].into_iter().flat_map(|in_flight| {
        let words = ["root", "deep"].into_iter().flat_map(move |depth| {
            ["none", "ready", "one", "ten"].map(|waits| Case { waits, depth, in_flight, payload: "word" })
        });
        words.chain(["none", "one"].map(|waits| Case { waits, depth: "root", in_flight, payload: "large" }))
    })
}

fn table(estimates: &Estimates, name: &str, peers: &[&str], base: &str) -> String {
    let mut head = vec!["waits, depth, in flight, size"];
    head.extend(peers);
    let mut table = Table::new(&head);
    for case in cases() {
        let floor = estimates.per_call(name, case, base);
        let cells = peers.iter().map(|peer| {
            or_dash(estimates.per_call(name, case, peer), |ns| match floor {
                Some(floor) if *peer != base => format!("{} ({})", short(ns), short(ns / floor)),
                _ => short(ns),
            })
        });
        let Case { waits, depth, in_flight, payload } = case;
        table.row([format!("{waits}, {depth}, {in_flight}, {payload}")].into_iter().chain(cells));
    }
    table.into_text()
}
