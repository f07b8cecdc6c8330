//! What a call costs while many others wait, and with what servers have around it, if it was measured.
//!
//! `crowd.json` in the target directory has the two tables that the bench `crowd` prints.

use std::{fs, path::Path};

use serde_json::Value;

use crate::{
    Result, chart, svg,
    table::{Table, or_dash, short},
};

/// The two tables.
pub(crate) struct Crowd(Value);

/// What the rows of the bench are.
const ROWS: [(&str, &str); 11] = [
    ("coroutine", "bare coroutine, stacks kept in a `Vec`"),
    ("async", "native async"),
    ("fiber-64", "fiber, stacks of 64 KiB"),
    ("fiber", "fiber"),
    ("async-span", "native async in a span, with a subscriber"),
    ("fiber-metrics", "fiber, `.metrics()`"),
    ("fiber-detector", "fiber, `.detect_blocking(100 ms)`"),
    ("fiber-limit", "fiber, `.max_fibers(..)`"),
    ("fiber-subscriber", "fiber, a subscriber"),
    ("fiber-span", "fiber in a span, with a subscriber"),
    ("fiber-all", "fiber with all of these"),
];

impl Crowd {
    /// Nothing if there are no results.
    pub(crate) fn load(file: &Path) -> Result<Self> {
        let Ok(text) = fs::read_to_string(file) else { return Ok(Self(Value::Null)) };
        Ok(Self(serde_json::from_str(&text)?))
    }

    /// How much more a call costs while so many wait.
    pub(crate) fn growth(&self, crowd: u64) -> Option<f64> {
        let row = &self.0["growth"]["fiber"];
        Some(nanos(row, crowd)? / row["nanos"][0].as_f64()?)
    }

    /// Nanoseconds of a call with what servers have around it, while so many wait.
    pub(crate) fn production(&self, kind: &str, crowd: u64) -> Option<f64> {
        nanos(&self.0["production"][kind], crowd)
    }

    pub(crate) fn section(&self, charts: &Path) -> Result<String> {
        if self.0.is_null() {
            return Ok(String::new());
        }
        let title = "Nanoseconds per call while so many wait";
        let growth = &self.0["growth"];
        let bars = ["coroutine", "fiber-64", "fiber"].into_iter().flat_map(|kind| {
            let row = &growth[kind];
            let crowds = row["crowds"].as_array().into_iter().flatten();
            let nanos = row["nanos"].as_array().into_iter().flatten();
            crowds.zip(nanos).filter_map(move |(crowd, nanos)| Some((format!("{kind}, {crowd}"), nanos.as_f64()?)))
        });
        let chart = chart(charts, "crowd.svg", title, &svg::bars(title, &bars.collect::<Vec<_>>()))?;
        Ok(format!(
            "\n## Many calls at once\n\nEach call waits once and suspends. So many begin, all wait, and all end, over and over. Nanoseconds \
             per call, the best of short rounds, each row in a process of its own (`cargo bench -p bench --bench crowd`).\n{}{chart}\n\
             ## As in production\n\nThe same, with what servers have around a call: `tracing_subscriber::fmt` at INFO into a sink, no recorder \
             of metrics.\n{}",
            table(growth).into_text(),
            table(&self.0["production"]).into_text(),
        ))
    }
}

fn nanos(row: &Value, crowd: u64) -> Option<f64> {
    let place = row["crowds"].as_array()?.iter().position(|count| count.as_u64() == Some(crowd))?;
    row["nanos"][place].as_f64()
}

fn table(rows: &Value) -> Table {
    let is_there = |name: &str| rows[name].is_object();
    let crowds = ROWS.iter().find(|(name, _)| is_there(name)).map_or(&Value::Null, |(name, _)| &rows[*name]["crowds"]);
    let head: Vec<_> = crowds.as_array().into_iter().flatten().map(|crowd| format!("{crowd} waiting")).collect();
    let mut columns = vec!["what"];
    columns.extend(head.iter().map(String::as_str));
    let mut table = Table::new(&columns);
    for (name, what) in ROWS.into_iter().filter(|(name, _)| is_there(name)) {
        let nanos = rows[name]["nanos"].as_array().into_iter().flatten().map(|nanos| or_dash(nanos.as_f64(), short));
        table.row([what.to_owned()].into_iter().chain(nanos));
    }
    table
}
