//! The Grafana dashboard shows the metrics that layers have, by their names.

#![cfg(feature = "metrics")]

use std::collections::BTreeSet;

use serde_json::Value;
use tokio::task::yield_now;
use tower_fiber::{FiberLayer, WaitExt as _};

use crate::{metrics::exporter, support::until};

const DASHBOARD: &str = include_str!("../../docs/grafana-dashboard.json");

/// The names of the exporter's metrics that begin like the crate's, with their kinds.
fn exported() -> BTreeSet<(String, String)> {
    _ = FiberLayer::new().name("without calls").metrics().handle().counters();
    exporter().run_upkeep();
    let text = exporter().render();
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let ours = types.filter(|(name, _)| name.starts_with("tower_fiber_"));
    ours.map(|(name, kind)| (name.to_owned(), kind.to_owned())).collect()
}

/// The names of metrics in an expression.
fn names(expression: &str) -> impl Iterator<Item = &str> {
    let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("tower_fiber_"))
}

/// The name of the histogram that a series belongs to, or that of another metric as it is.
fn metric(series: &str) -> &str {
    let suffixes = ["_seconds_bucket", "_seconds_sum", "_seconds_count"];
    let suffix = suffixes.into_iter().find(|suffix| series.ends_with(suffix));
    suffix.map_or(series, |suffix| &series[..series.len() - suffix.len() + "_seconds".len()])
}

#[tokio::test]
async fn it_has_each_metric_and_no_other() {
    exporter();
    FiberLayer::new().name("shown").metrics().run(|| yield_now().wait()).await;
    // A histogram is there when it has a value.
    until(|| exported().iter().filter(|(_, kind)| kind == "summary" || kind == "histogram").count() == 2).await;
    let exported = exported();
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len(), "each panel needs an id of its own");

    let mut shown = BTreeSet::new();
    for target in panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten() {
        let expression = target["expr"].as_str().unwrap();
        for series in names(expression) {
            assert!(expression.contains(&format!("{series}{{layer=~\"$layer\"}}")), "for all layers: {expression}");
            let (name, kind) = exported
                .iter()
                .find(|(name, _)| name == metric(series))
                .unwrap_or_else(|| panic!("there is no metric `{}`: {expression}", metric(series)));
            let is_change = ["rate(", "increase("].iter().any(|f| expression.contains(&format!("{f}{series}")));
            assert_eq!(is_change, kind != "gauge", "`{name}` is a {kind}: {expression}");
            shown.insert(name);
        }
    }
    let missing: Vec<_> = exported.iter().map(|(name, _)| name).filter(|name| !shown.contains(name)).collect();
    assert!(missing.is_empty(), "no panel shows {missing:?}");
    assert!(exported.len() >= 13, "{exported:?}");
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        let query = variable["definition"].as_str().unwrap_or_default();
        assert!(names(query).all(|name| exported.iter().any(|(exported, _)| exported == name)), "{query}");
    }
}
