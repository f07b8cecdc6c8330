//! What is in the database, read past the shop.

use bookshop::legacy::schema::{order_lines, orders, stock};
use diesel::prelude::*;

use crate::harness::TestShop;
use crate::plain;

/// Every row that a checkout may write.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rows {
    /// Book and copies.
    pub(crate) stock: Vec<(i32, i32)>,
    /// Order, customer and total.
    pub(crate) orders: Vec<(i32, String, i64)>,
    /// Order, book, quantity and price.
    pub(crate) lines: Vec<(i32, i32, i32, i32)>,
}

impl Rows {
    /// Copies of one book on the shelf.
    pub(crate) fn copies(&self, book_id: i32) -> i32 {
        let row = self.stock.iter().find(|row| row.0 == book_id);
        row.expect("a row for each book").1
    }
}

impl TestShop {
    /// Reads the rows.
    pub(crate) fn rows(&self) -> Rows {
        let columns = (orders::id, orders::customer, orders::total_cents);
        plain::read(&self.database, |conn| Rows {
            stock: stock::table.order(stock::book_id).load(conn).unwrap(),
            orders: orders::table.select(columns).order(orders::id).load(conn).unwrap(),
            lines: order_lines::table.order((order_lines::order_id, order_lines::book_id)).load(conn).unwrap(),
        })
    }
}
