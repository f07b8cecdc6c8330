//! Memory of calls that wait, if it was measured.
//!
//! `capacity.json` in the target directory is `{"runs": [{"name": "tower-fiber", "calls": 1000000, "bytes_per_call": 4900}, ..]}`.

use std::{fs, path::Path};

use serde_json::Value;

use crate::{
    Result, chart, svg,
    table::{Table, or_dash, short},
};

/// What the goal is about.
const OURS: &str = "tower-fiber";

pub(crate) struct Capacity(Vec<Run>);

struct Run {
    name: String,
    calls: u64,
    bytes_per_call: f64,
}

impl Capacity {
    /// Nothing if there are no results.
    pub(crate) fn load(file: &Path) -> Result<Self> {
        let Ok(text) = fs::read_to_string(file) else { return Ok(Self(Vec::new())) };
        let results: Value = serde_json::from_str(&text)?;
        let runs = results["runs"].as_array().ok_or("capacity.json has no runs")?;
        let run = |run: &Value| {
            Some(Run {
                name: run["name"].as_str()?.to_owned(),
                calls: run["calls"].as_u64()?,
                bytes_per_call: run["bytes_per_call"].as_f64()?,
            })
        };
        let runs: Option<Vec<_>> = runs.iter().map(run).collect();
        Ok(Self(runs.ok_or("a run in capacity.json lacks name, calls or bytes_per_call")?))
    }

    /// With as many fibers as were tried.
    pub(crate) fn bytes_per_fiber(&self) -> Option<f64> {
        let ours = self.0.iter().filter(|run| run.name == OURS);
        Some(ours.max_by_key(|run| run.calls)?.bytes_per_call)
    }

    pub(crate) fn section(&self, charts: &Path) -> Result<String> {
        if self.0.is_empty() {
            return Ok(String::new());
        }
        let title = "Bytes of resident memory per waiting call";
        let mut table = Table::new(&["calls that wait", "peer", "bytes each", "of `tower-fiber`"]);
        for run in &self.0 {
            let ours = self.0.iter().find(|other| other.name == OURS && other.calls == run.calls);
            let ratio = ours.map(|ours| run.bytes_per_call / ours.bytes_per_call);
            let name = format!("`{}`", run.name);
            table.row([run.calls.to_string(), name, short(run.bytes_per_call), or_dash(ratio, short)]);
        }
        let bars: Vec<_> =
            self.0.iter().map(|run| (format!("{}, {}", run.name, run.calls), run.bytes_per_call)).collect();
        let chart = chart(charts, "memory-per-call.svg", title, &svg::bars(title, &bars))?;
        Ok(format!("\n## Memory\n\n{title}.\n{}{chart}", table.into_text()))
    }
}
