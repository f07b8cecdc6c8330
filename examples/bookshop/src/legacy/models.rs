//! The rows, as the shop sees them.

use diesel::prelude::*;
use serde::{Deserialize, Serialize};

use super::schema::{authors, books, order_lines, orders, stock};
use crate::db::Backend;

/// Somebody who wrote books.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = authors)]
pub struct Author {
    /// Given by the shop.
    pub id: i32,
    /// First and last name.
    pub name: String,
}

/// A book.
#[derive(Debug, Clone, Serialize, Queryable, Selectable, Insertable)]
#[diesel(table_name = books, check_for_backend(Backend))]
pub struct Book {
    /// Given by the shop.
    pub id: i32,
    /// Who wrote it.
    pub author_id: i32,
    /// As printed on the cover.
    pub title: String,
    /// The shelf on which it stands.
    pub subject: String,
    /// Year of publication.
    pub published: i32,
    /// The price printed on the cover, in cents.
    pub list_price_cents: i32,
}

/// A book together with its author's name.
#[derive(Debug, Clone, Serialize, Queryable, Selectable)]
#[diesel(check_for_backend(Backend))]
pub struct Listing {
    /// The book.
    #[diesel(embed)]
    #[serde(flatten)]
    pub book: Book,
    /// Its author's name.
    #[diesel(select_expression = authors::name)]
    pub author: String,
}

/// Copies of a book on the shop's own shelf.
#[derive(Debug, Clone, Copy, Insertable)]
#[diesel(table_name = stock)]
pub struct Stock {
    /// The book that is counted.
    pub book_id: i32,
    /// Never below zero.
    pub copies: i32,
}

/// What a customer sends.
#[derive(Debug, Clone, Deserialize)]
pub struct NewOrder {
    /// A name.
    pub customer: String,
    /// Which books, and how many of each.
    pub lines: Vec<NewLine>,
}

/// One book that a customer wants.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct NewLine {
    /// Which book.
    pub book_id: i32,
    /// How many copies of it.
    pub quantity: i32,
}

/// An order that was placed.
#[derive(Debug, Clone, Serialize, Queryable, Selectable)]
#[diesel(table_name = orders, check_for_backend(Backend))]
pub struct Order {
    /// Given by the database.
    pub id: i32,
    /// A name.
    pub customer: String,
    /// Seconds since 1970.
    pub placed_at: i64,
    /// Sum over the lines, in cents.
    pub total_cents: i64,
}

/// One book of an order.
#[derive(Debug, Clone, Serialize, Queryable, Selectable, Insertable)]
#[diesel(table_name = order_lines, check_for_backend(Backend))]
pub struct OrderLine {
    /// The order that it belongs to.
    #[serde(skip)]
    pub order_id: i32,
    /// The book that was bought.
    pub book_id: i32,
    /// How many copies of it.
    pub quantity: i32,
    /// What one copy cost on that day, in cents.
    pub price_cents: i32,
}

/// An order with its lines.
#[derive(Debug, Clone, Serialize)]
pub struct Receipt {
    /// The order.
    #[serde(flatten)]
    pub order: Order,
    /// What was bought.
    pub lines: Vec<OrderLine>,
}
