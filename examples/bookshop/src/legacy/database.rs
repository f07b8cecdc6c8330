//! Where the shop gets its connections from.

use std::error::Error;
use std::fmt;

use crate::db::Conn;

/// A supply of database connections.
///
/// A connection goes back to where it came from when it is dropped, so the shop keeps one only as long
/// as it queries: never while it waits for the supplier.
pub trait Database: Send + Sync {
    /// A connection for queries.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] if there is none to be had in time.
    fn reader(&self) -> Result<Conn, Unavailable>;

    /// A connection for transactions that write.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] if there is none to be had in time.
    fn writer(&self) -> Result<Conn, Unavailable>;
}

/// There was no database connection to be had.
#[derive(Debug)]
pub struct Unavailable {
    source: Box<dyn Error + Send + Sync>,
}

impl Unavailable {
    /// Wraps the reason.
    pub fn new(reason: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { source: reason.into() }
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the database is busy, please try again")
    }
}

impl Error for Unavailable {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}
