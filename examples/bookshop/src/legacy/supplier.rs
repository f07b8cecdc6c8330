//! Who delivers the books, at which price.

use std::error::Error;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Somebody who can be asked for today's price and stock of a book.
pub trait Supplier: Send + Sync {
    /// Today's offer for one book. May take its time.
    ///
    /// # Errors
    ///
    /// [`SupplierError`] if there is no usable answer in time.
    fn quote(&self, book_id: i32) -> Result<Quote, SupplierError>;
}

/// A supplier's offer for one book.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quote {
    /// The book that was asked for.
    pub book_id: i32,
    /// Today's price of one copy, in cents.
    pub price_cents: i32,
    /// Copies in the supplier's warehouse.
    pub available: i32,
}

/// The supplier gave no usable answer in time.
#[derive(Debug)]
pub struct SupplierError {
    source: Box<dyn Error + Send + Sync>,
}

impl SupplierError {
    /// Wraps the reason.
    pub fn new(reason: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { source: reason.into() }
    }
}

impl fmt::Display for SupplierError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("our supplier does not answer, please try again later")
    }
}

impl Error for SupplierError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}
