//! The one place where the synchronous shop meets what waits.
//!
//! Each function here is called by plain synchronous code and waits. The fiber waits; its thread goes on with other
//! requests.

use std::fmt;
use std::time::Duration;

use tower_fiber::WaitExt;

use crate::db::{Conn, Pools};
use crate::legacy::{Database, Quote, Supplier, SupplierError, Unavailable};

impl Database for Pools {
    fn reader(&self) -> Result<Conn, Unavailable> {
        self.readers.get().map_err(Unavailable::new)
    }

    fn writer(&self) -> Result<Conn, Unavailable> {
        self.writers.get().map_err(Unavailable::new)
    }
}

/// The supplier, asked over HTTP.
pub struct HttpSupplier {
    client: reqwest::Client,
    base: String,
}

impl HttpSupplier {
    /// Asks the server at `base`, such as `http://127.0.0.1:4000`, and gives up after `timeout`.
    ///
    /// # Errors
    ///
    /// Fails if the HTTP client cannot be built.
    pub fn new(base: impl Into<String>, timeout: Duration) -> Result<Self, reqwest::Error> {
        // The supplier is next door, whatever proxy the environment names.
        let client = reqwest::Client::builder().timeout(timeout).no_proxy();
        Ok(Self { client: client.build()?, base: base.into() })
    }

    fn get_quote(&self, book_id: i32) -> Result<Quote, reqwest::Error> {
        let url = format!("{}/quotes/{book_id}", self.base);
        let response = self.client.get(url).send().wait()?;
        response.error_for_status()?.json().wait()
    }
}

impl Supplier for HttpSupplier {
    fn quote(&self, book_id: i32) -> Result<Quote, SupplierError> {
        self.get_quote(book_id).map_err(SupplierError::new)
    }
}

impl fmt::Debug for HttpSupplier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpSupplier").field("base", &self.base).finish_non_exhaustive()
    }
}
