//! The code that was there before. It is synchronous, and knows neither tokio nor fibers.

use std::{error::Error, fmt};

/// Asks for exchange rates. A real one waits for its answer.
pub trait Rates: Send + Sync {
    /// Returns what 100 cents are in `currency`, or `None` for an unknown currency.
    fn rate(&self, currency: &str) -> Option<u64>;
}

/// Converts prices.
pub struct Prices<R> {
    rates: R,
}

impl<R: Rates> Prices<R> {
    /// Makes one that asks `rates`.
    pub fn new(rates: R) -> Self {
        Self { rates }
    }

    /// Converts a price into another currency, rounded down.
    pub fn convert(&self, cents: u32, currency: &str) -> Result<u64, UnknownCurrency> {
        let rate = self.rates.rate(currency).ok_or_else(|| UnknownCurrency(currency.to_owned()))?;
        Ok(u64::from(cents) * rate / 100)
    }
}

/// There is no rate for this currency.
#[derive(Debug, PartialEq, Eq)]
pub struct UnknownCurrency(pub String);

impl fmt::Display for UnknownCurrency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no currency {:?}", self.0)
    }
}

impl Error for UnknownCurrency {}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed;

    impl Rates for Fixed {
        fn rate(&self, currency: &str) -> Option<u64> {
            (currency == "USD").then_some(108)
        }
    }

    #[test]
    fn prices_are_rounded_down() {
        assert_eq!(Prices::new(Fixed).convert(199, "USD"), Ok(214));
        assert_eq!(Prices::new(Fixed).convert(u32::MAX, "USD"), Ok(4_638_564_678));
    }

    #[test]
    fn an_unknown_currency_is_named() {
        let error = Prices::new(Fixed).convert(100, "XYZ").unwrap_err();
        assert_eq!(error.to_string(), "there is no currency \"XYZ\"");
    }
}
