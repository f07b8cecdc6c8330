//! What the servers reached under load.

use std::{fs, path::Path};

use serde_json::Value;

use crate::{
    Result, chart, svg,
    table::{Table, or_dash, short},
};

const INTRO: &str = "
## Servers

axum servers, each in a process of its own: `native` has async handlers, `native_spawn` as well, but each hops to another task;
`per_core` is tower-fiber in place on one current-thread runtime per core, `pool` the same code on a multi-thread runtime,
`spawn_blocking` synchronous functions on blocking threads, `local_pool` async code on tokio-util's `LocalPoolHandle`. Medians, in brackets the
lowest and highest round; each ratio is the median of the rounds' ratios. The bookshop's page is synchronous code, so there is no async one beside it; with many connections
`spawn_blocking` can come to a halt there: all its threads wait for queries, which need threads of the same pool.
";

/// Runs of the servers, as the http bench wrote them.
pub(crate) struct Servers(Vec<Value>);

struct Spread {
    median: f64,
    least: f64,
    most: f64,
}

/// What was run, and the figure of it.
#[derive(Clone, Copy)]
pub(crate) struct Run<'a> {
    pub(crate) part: &'a str,
    pub(crate) path: &'a str,
    pub(crate) connections: u64,
    pub(crate) figure: &'a str,
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let (least, most) = (*values.first()?, *values.last()?);
        Some(Self { median: values[values.len() / 2], least, most })
    }
}

impl Servers {
    /// Nothing if there are no results.
    pub(crate) fn load(file: &Path) -> Result<Self> {
        let Ok(text) = fs::read_to_string(file) else { return Ok(Self(Vec::new())) };
        let results: Value = serde_json::from_str(&text)?;
        Ok(Self(results["runs"].as_array().ok_or("http.json has no runs")?.clone()))
    }

    pub(crate) fn median(&self, part: &str, path: &str, connections: u64, kind: &str, figure: &str) -> Option<f64> {
        Some(self.spread(part, path, connections, kind, figure)?.median)
    }

    fn spread(&self, part: &str, path: &str, connections: u64, kind: &str, figure: &str) -> Option<Spread> {
        Spread::of(self.rounds(part, path, connections, kind, figure).into_iter().flatten().collect())
    }

    /// The median of what `kind` has over `base`, each round by itself: the machine is not equally fast in all.
    pub(crate) fn ratio(&self, of: Run<'_>, kind: &str, base: &str) -> Option<f64> {
        let Run { part, path, connections, figure } = of;
        let rounds = |kind| self.rounds(part, path, connections, kind, figure);
        let ratios = rounds(kind)
            .into_iter()
            .zip(rounds(base))
            .filter_map(|(of, base)| Some(of? / base.filter(|base| *base > 0.0)?));
        Some(Spread::of(ratios.collect())?.median)
    }

    /// A figure in each round; `None` where a server did not come to an end.
    fn rounds(&self, part: &str, path: &str, connections: u64, kind: &str, figure: &str) -> Vec<Option<f64>> {
        let runs = self.0.iter().filter(|run| {
            run["part"] == part && run["path"] == path && run["connections"] == connections && run["kind"] == kind
        });
        runs.map(|run| run[figure].as_f64()).collect()
    }

    /// The distinct values of a field among the runs of a part, in their order.
    fn distinct<'a>(&'a self, part: &'a str, path: &'a str, field: &str) -> Vec<&'a Value> {
        let mut distinct = Vec::new();
        for run in self.0.iter().filter(|run| run["part"] == part && run["path"] == path) {
            if !distinct.contains(&&run[field]) {
                distinct.push(&run[field]);
            }
        }
        distinct
    }

    fn kinds<'a>(&'a self, part: &'a str, path: &'a str) -> Vec<&'a str> {
        self.distinct(part, path, "kind").into_iter().filter_map(Value::as_str).collect()
    }

    fn connections(&self, part: &str, path: &str) -> Vec<u64> {
        self.distinct(part, path, "connections").into_iter().filter_map(Value::as_u64).collect()
    }

    pub(crate) fn section(&self, charts: &Path) -> Result<String> {
        if self.0.is_empty() {
            return Ok(String::new());
        }
        let mut text = INTRO.to_owned();
        for (path, what) in
            [("hello", "hello, world"), ("wait", "a wait of 5 ms"), ("search", "the bookshop's search page")]
        {
            text += &format!("\n### HTTP/1.1, {what}\n");
            text += &self.rates("wrk", path);
            let title = format!("Requests per second over connections: {what}");
            text += &chart(charts, &format!("throughput-{path}.svg"), &title, &self.rate_chart(&title, path))?;
        }
        text += "\n### HTTP/2, hello, world, 10 streams a connection\n";
        text += &self.rates("h2", "hello");
        text +=
            "\n### 1 % of the calls burn 5 ms of CPU: the others\n\n64 connections that pause 10 ms between calls.\n";
        text += &self.rates("skew", "hello");
        text += &self.herd();
        Ok(text)
    }

    fn rates(&self, part: &str, path: &str) -> String {
        let kinds = self.kinds(part, path);
        let Some(&base) = kinds.first() else { return "\nNot measured.\n".to_owned() };
        let of_base = format!("of `{base}`");
        let mut table =
            Table::new(&["connections", "server", "requests/s", &of_base, "p50, ms", "p99, ms", "peak memory, MiB"]);
        for connections in self.connections(part, path) {
            let median = |kind, figure| self.median(part, path, connections, kind, figure);
            for &kind in &kinds {
                let rate = self.spread(part, path, connections, kind, "rate");
                let ratio = self.ratio(Run { part, path, connections, figure: "rate" }, kind, base);
                let millis = |figure| or_dash(median(kind, figure), |micros| format!("{:.2}", micros / 1e3));
                table.row([
                    connections.to_string(),
                    format!("`{kind}`"),
                    or_dash(rate, |r| format!("{} ({}..{})", short(r.median), short(r.least), short(r.most))),
                    or_dash(ratio, |ratio| format!("{:.0} %", ratio * 100.0)),
                    millis("p50"),
                    millis("p99"),
                    or_dash(median(kind, "memory"), |kib| format!("{:.0}", kib / 1024.0)),
                ]);
            }
        }
        table.into_text()
    }

    fn rate_chart(&self, title: &str, path: &str) -> String {
        let connections = self.connections("wrk", path);
        let lines = self.kinds("wrk", path).into_iter().map(|kind| {
            let rates = connections.iter().map(|&c| self.median("wrk", path, c, kind, "rate").unwrap_or_default());
            (kind.to_owned(), rates.collect())
        });
        let names: Vec<_> = connections.iter().map(ToString::to_string).collect();
        svg::lines(title, &names, &lines.collect::<Vec<_>>())
    }

    fn herd(&self) -> String {
        let mut text = "\n### Many connections that wait 1 s each, all at once\n".to_owned();
        let mut table = Table::new(&["connections", "server", "time until all are served, s", "peak memory, MiB"]);
        for connections in self.connections("herd", "wait") {
            for kind in self.kinds("herd", "wait") {
                let time = self.spread("herd", "wait", connections, kind, "seconds");
                let memory = self.median("herd", "wait", connections, kind, "memory");
                table.row([
                    connections.to_string(),
                    format!("`{kind}`"),
                    or_dash(time, |t| format!("{:.2} ({:.2}..{:.2})", t.median, t.least, t.most)),
                    or_dash(memory, |kib| format!("{:.0}", kib / 1024.0)),
                ]);
            }
        }
        text += &table.into_text();
        text
    }
}
