//! What was bought.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use diesel::prelude::*;

use super::models::{NewOrder, Order, OrderLine, Receipt};
use super::schema::{books, order_lines, orders, stock};
use super::{Database, ShopError, Supplier};
use crate::db::Conn;

/// Different books that one order may have.
pub const MAX_LINES: usize = 20;

/// Copies of one book that one order may have.
pub const MAX_QUANTITY: i32 = 99;

/// What was bought.
pub struct Orders {
    database: Arc<dyn Database>,
    supplier: Arc<dyn Supplier>,
}

/// A book, how many copies of it, and what one costs today.
struct PricedLine {
    book_id: i32,
    quantity: i32,
    price_cents: i32,
}

impl Orders {
    /// Orders in a database, at a supplier's prices.
    #[must_use]
    pub fn new(database: Arc<dyn Database>, supplier: Arc<dyn Supplier>) -> Self {
        Self { database, supplier }
    }

    /// Sells books from the shelf at today's prices, all of them or none.
    ///
    /// # Errors
    ///
    /// [`ShopError::Invalid`], [`ShopError::NotFound`] or [`ShopError::OutOfStock`] for what cannot be
    /// sold, [`ShopError::Supplier`] if there is no price to be had. Then nothing was changed.
    pub fn place(&self, order: &NewOrder) -> Result<Receipt, ShopError> {
        let customer = checked_customer(&order.customer)?;
        let basket = checked_basket(order)?;
        self.check_books(&basket)?;
        // The supplier is slow: it is asked before there is a connection or a transaction to hold up.
        let lines = self.priced(basket)?;

        let conn = &mut self.database.writer()?;
        conn.transaction(|conn| {
            take_from_shelf(conn, &lines)?;
            write_order(conn, customer, &lines)
        })
    }

    /// An order that was placed.
    ///
    /// # Errors
    ///
    /// [`ShopError::NotFound`] if there is no such order.
    pub fn find(&self, id: i32) -> Result<Receipt, ShopError> {
        let conn = &mut self.database.reader()?;
        let order = orders::table
            .find(id)
            .select(Order::as_select())
            .first(conn)
            .optional()?
            .ok_or(ShopError::NotFound { what: "order", id })?;
        let lines = order_lines::table
            .filter(order_lines::order_id.eq(id))
            .order(order_lines::book_id)
            .select(OrderLine::as_select())
            .load(conn)?;
        Ok(Receipt { order, lines })
    }

    fn check_books(&self, basket: &BTreeMap<i32, i32>) -> Result<(), ShopError> {
        let conn = &mut self.database.reader()?;
        let known: Vec<i32> =
            books::table.filter(books::id.eq_any(basket.keys().copied())).select(books::id).load(conn)?;
        match basket.keys().find(|id| !known.contains(id)) {
            Some(&id) => Err(ShopError::NotFound { what: "book", id }),
            None => Ok(()),
        }
    }

    fn priced(&self, basket: BTreeMap<i32, i32>) -> Result<Vec<PricedLine>, ShopError> {
        basket
            .into_iter()
            .map(|(book_id, quantity)| {
                let quote = self.supplier.quote(book_id)?;
                Ok(PricedLine { book_id, quantity, price_cents: quote.price_cents })
            })
            .collect()
    }
}

impl fmt::Debug for Orders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Orders").finish_non_exhaustive()
    }
}

fn checked_customer(customer: &str) -> Result<&str, ShopError> {
    let customer = customer.trim();
    let length = customer.chars().count();
    if length == 0 || length > 100 || customer.chars().any(char::is_control) {
        return Err(ShopError::Invalid("customer must be a name of 1 to 100 characters".into()));
    }
    Ok(customer)
}

/// Copies by book. Sorted by book, so that two orders lock their rows in the same order.
fn checked_basket(order: &NewOrder) -> Result<BTreeMap<i32, i32>, ShopError> {
    if order.lines.is_empty() || order.lines.len() > MAX_LINES {
        return Err(ShopError::Invalid(format!("an order must have 1 to {MAX_LINES} lines")));
    }
    let mut basket = BTreeMap::new();
    for line in &order.lines {
        if basket.insert(line.book_id, line.quantity).is_some() {
            return Err(ShopError::Invalid(format!("book {} must be on one line only", line.book_id)));
        }
        if !(1..=MAX_QUANTITY).contains(&line.quantity) {
            return Err(ShopError::Invalid(format!("quantity must be 1 to {MAX_QUANTITY}, not {}", line.quantity)));
        }
    }
    Ok(basket)
}

/// One statement both looks and takes, so that two orders cannot both get the last copy.
fn take_from_shelf(conn: &mut Conn, lines: &[PricedLine]) -> Result<(), ShopError> {
    for line in lines {
        let shelf = stock::table.filter(stock::book_id.eq(line.book_id)).filter(stock::copies.ge(line.quantity));
        let taken = diesel::update(shelf).set(stock::copies.eq(stock::copies - line.quantity)).execute(conn)?;
        if taken == 0 {
            let left = stock::table.find(line.book_id).select(stock::copies).first(conn).optional()?;
            return Err(ShopError::OutOfStock {
                book_id: line.book_id,
                wanted: line.quantity,
                left: left.unwrap_or(0),
            });
        }
    }
    Ok(())
}

fn write_order(conn: &mut Conn, customer: &str, lines: &[PricedLine]) -> Result<Receipt, ShopError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let placed_at = now.map_or(0, |age| i64::try_from(age.as_secs()).unwrap_or(i64::MAX));
    let total_cents: i64 = lines.iter().map(|line| i64::from(line.quantity) * i64::from(line.price_cents)).sum();
    let order: Order = diesel::insert_into(orders::table)
        .values((orders::customer.eq(customer), orders::placed_at.eq(placed_at), orders::total_cents.eq(total_cents)))
        .returning(Order::as_returning())
        .get_result(conn)?;

    let lines: Vec<OrderLine> = lines
        .iter()
        .map(|line| OrderLine {
            order_id: order.id,
            book_id: line.book_id,
            quantity: line.quantity,
            price_cents: line.price_cents,
        })
        .collect();
    diesel::insert_into(order_lines::table).values(&lines).execute(conn)?;
    Ok(Receipt { order, lines })
}
