//! How many fibers fit, and what each costs, if it was measured.
//!
//! `capacity.json` in the target directory is the list of rows that the bench `capacity` prints.

use std::{fs, path::Path};

use serde_json::Value;

use crate::{
    Result, chart, svg,
    table::{Table, or_dash, short},
};

/// The rows that the goal is about.
const OURS: &str = "fibers";

/// Their stacks, in bytes.
const GOAL_STACK: u64 = 64 * 1024;

pub(crate) struct Capacity(Vec<Row>);

struct Row {
    kind: String,
    stack: u64,
    /// How many there were.
    there: u64,
    figures: Value,
}

impl Row {
    fn figure(&self, name: &str) -> Option<f64> {
        self.figures[name].as_f64()
    }

    fn bytes_each(&self) -> Option<f64> {
        Some(self.figure("rss_kib")? * 1024.0)
    }
}

impl Capacity {
    /// Nothing if there are no results.
    pub(crate) fn load(file: &Path) -> Result<Self> {
        let Ok(text) = fs::read_to_string(file) else { return Ok(Self(Vec::new())) };
        let rows: Vec<Value> = serde_json::from_str(&text)?;
        let row = |figures: Value| {
            let kind = figures["kind"].as_str()?.to_owned();
            Some(Row { kind, stack: figures["stack"].as_u64()?, there: figures["there"].as_u64()?, figures })
        };
        let rows: Option<Vec<_>> = rows.into_iter().map(row).collect();
        Ok(Self(rows.ok_or("a row in capacity.json lacks kind, stack or there: run the bench `capacity` again")?))
    }

    /// With as many fibers as were tried.
    pub(crate) fn bytes_per_fiber(&self) -> Option<f64> {
        let ours = self.0.iter().filter(|row| row.kind == OURS && row.stack == GOAL_STACK);
        ours.max_by_key(|row| row.there)?.bytes_each()
    }

    pub(crate) fn section(&self, charts: &Path) -> Result<String> {
        if self.0.is_empty() {
            return Ok(String::new());
        }
        let title = "Bytes of resident memory per waiting call";
        let mut table = Table::new(&[
            "what",
            "waiting at once",
            "stack, KiB",
            "start, ns",
            "of the floor",
            "resume, ns",
            "memory, KiB",
            "page tables, KiB",
            "mappings",
        ]);
        for row in &self.0 {
            let floor = row.figure("start_ns").zip(row.figure("floor_ns")).map(|(start, floor)| start / floor);
            let [start, resume, memory, page_tables, maps] =
                ["start_ns", "resume_ns", "rss_kib", "page_tables_kib", "maps"]
                    .map(|name| or_dash(row.figure(name), short));
            let (there, stack) = (row.there.to_string(), (row.stack / 1024).to_string());
            let floor = or_dash(floor, short);
            table.row([row.kind.clone(), there, stack, start, floor, resume, memory, page_tables, maps]);
        }
        let bars = self.0.iter().filter_map(|row| {
            Some((format!("{}, {} of {} KiB", row.kind, row.there, row.stack / 1024), row.bytes_each()?))
        });
        let chart = chart(charts, "memory-per-call.svg", title, &svg::bars(title, &bars.collect::<Vec<_>>()))?;
        Ok(format!(
            "\n## Memory\n\nEach row in a process of its own; the floor is the first touch of one page in a mapping of the same \
             kind.\n{}\n{title}.\n{chart}",
            table.into_text()
        ))
    }
}
