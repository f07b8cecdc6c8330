//! The one place where synchronous code waits: each `.wait()` suspends its fiber, and the thread serves other requests.

use std::time::Duration;

use tower_fiber::WaitExt as _;

use crate::legacy::Rates;

/// How long the service that knows the rates takes.
pub const LATENCY: Duration = Duration::from_millis(100);

/// Stands for a client of that service. Any future can be awaited in the same way: a request by reqwest, a query by
/// sqlx.
pub struct RemoteRates;

impl Rates for RemoteRates {
    fn rate(&self, currency: &str) -> Option<u64> {
        tokio::time::sleep(LATENCY).wait();
        match currency {
            "CHF" => Some(94),
            "GBP" => Some(86),
            "USD" => Some(108),
            _ => None,
        }
    }
}
