//! What criterion measured.

use std::{collections::HashMap, fs, io, path::Path};

use serde_json::Value;

use crate::Result;

/// The name of a group of the overhead bench, without its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) waits: &'static str,
    pub(crate) depth: &'static str,
    pub(crate) in_flight: u32,
    pub(crate) payload: &'static str,
}

impl Case {
    /// One call in flight, word-sized.
    pub(crate) fn single(waits: &'static str, depth: &'static str) -> Self {
        Self { waits, depth, in_flight: 1, payload: "word" }
    }
}

/// Times of one iteration, in nanoseconds, by group and peer: the median of the round that was disturbed least. What
/// the machine does besides makes code of this kind slower, never faster.
pub(crate) struct Estimates(HashMap<(String, String), f64>);

impl Estimates {
    /// Nothing if there are no results.
    pub(crate) fn load(criterion: &Path) -> Result<Self> {
        let mut least = HashMap::new();
        for group in folders(criterion)? {
            for peer in folders(&criterion.join(&group))? {
                let rounds = criterion.join(&group).join(&peer);
                // What `bench/measure` saved, and the latest; not what criterion notes about changes.
                let is_round = |name: &String| name == "new" || name.starts_with("round-");
                for round in folders(&rounds)?.into_iter().filter(is_round) {
                    let Ok(text) = fs::read_to_string(rounds.join(round).join("estimates.json")) else { continue };
                    let estimates: Value = serde_json::from_str(&text)?;
                    let Some(median) = estimates["median"]["point_estimate"].as_f64() else { continue };
                    let least = least.entry((group.clone(), peer.clone())).or_insert(median);
                    *least = median.min(*least);
                }
            }
        }
        Ok(Self(least))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Nanoseconds per call.
    pub(crate) fn per_call(&self, table: &str, case: Case, peer: &str) -> Option<f64> {
        let Case { waits, depth, in_flight, payload } = case;
        let group = format!("{table}-{waits}-{depth}-{in_flight}-{payload}");
        Some(self.0.get(&(group, peer.to_owned()))? / f64::from(in_flight))
    }

    /// Nanoseconds of one of ten waits of a call that is polled by hand.
    pub(crate) fn per_wait(&self, depth: &'static str, peer: &str) -> Option<f64> {
        let of = |waits| self.per_call("bare", Case::single(waits, depth), peer);
        Some((of("ten")? - of("none")?) / 10.0)
    }
}

fn folders(path: &Path) -> Result<Vec<String>> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    Ok(names)
}
