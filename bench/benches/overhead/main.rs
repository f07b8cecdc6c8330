//! What a call and a wait cost, for tower-fiber and its peers side by side.
//!
//! Groups are named `table-waits-depth-in flight-payload`, such as `bare-one-deep-1000-word`; the report reads them by
//! these names. In the table `bare` futures are polled by hand and no scheduler is measured; `scheduled` is for peers
//! that need one of their own, with native async beside them. `BENCH_MILLIS` (200) and `BENCH_SAMPLES` (10) say how
//! long each is measured.

mod bare;
mod cases;
mod raw;
mod scheduled;
mod waiters;

use std::{env, time::Duration};

use criterion::Criterion;

fn main() {
    let millis = number("BENCH_MILLIS", 200);
    let criterion = Criterion::default()
        .without_plots()
        .warm_up_time(Duration::from_millis(millis / 2))
        .measurement_time(Duration::from_millis(millis))
        .sample_size(usize::try_from(number("BENCH_SAMPLES", 10)).expect("a small number"))
        .nresamples(5_000)
        .configure_from_args();
    let mut criterion = bare::measure(criterion);
    scheduled::measure(&mut criterion);
    criterion.final_summary();
}

fn number(name: &str, default: u64) -> u64 {
    env::var(name)
        .map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} must be a number, not {text:?}")))
}
