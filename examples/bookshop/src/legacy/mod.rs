//! The shop itself, as it was written for one thread per request.
//!
//! Nothing below this module is async, imports tokio, or knows of tower-fiber. It asks its includer
//! for two things: a module `crate::db` with the connection type `Conn` (any `diesel::Connection`) and
//! its `Backend`, and implementations of [`Database`] and [`Supplier`]. The tables must exist;
//! [`sample::fill`] fills them.

use std::sync::Arc;

pub mod catalogue;
pub mod database;
pub mod error;
pub mod models;
pub mod orders;
pub mod pages;
pub mod sample;
pub mod schema;
pub mod supplier;

pub use self::catalogue::Catalogue;
pub use self::database::{Database, Unavailable};
pub use self::error::ShopError;
pub use self::orders::Orders;
pub use self::pages::Pages;
pub use self::supplier::{Quote, Supplier, SupplierError};

/// The whole shop: what there is to buy, who bought it, and the pages that show both.
#[derive(Debug)]
pub struct Shop {
    /// What there is to buy.
    pub catalogue: Catalogue,
    /// What was bought.
    pub orders: Orders,
    /// The HTML pages.
    pub pages: Pages,
}

impl Shop {
    /// Opens the shop over a database and a supplier.
    #[must_use]
    pub fn new(database: Arc<dyn Database>, supplier: Arc<dyn Supplier>) -> Self {
        let catalogue = Catalogue::new(database.clone(), supplier.clone());
        Self { orders: Orders::new(database, supplier), pages: Pages::new(&catalogue), catalogue }
    }
}
