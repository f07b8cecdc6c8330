//! What there is to buy.

use std::fmt;
use std::sync::Arc;

use diesel::dsl::count_star;
use diesel::prelude::*;

use super::models::Listing;
use super::schema::{authors, books, lower, stock};
use super::{Database, Quote, ShopError, Supplier};

/// Books that one page of a search shows.
pub const SEARCH_LIMIT: i64 = 20;

/// What there is to buy.
#[derive(Clone)]
pub struct Catalogue {
    database: Arc<dyn Database>,
    supplier: Arc<dyn Supplier>,
}

/// What a search found.
#[derive(Debug, Clone)]
pub struct Found {
    /// How many books match.
    pub total: i64,
    /// The first [`SEARCH_LIMIT`] of them, by title.
    pub books: Vec<Listing>,
}

impl Catalogue {
    /// A catalogue over a database and a supplier.
    #[must_use]
    pub fn new(database: Arc<dyn Database>, supplier: Arc<dyn Supplier>) -> Self {
        Self { database, supplier }
    }

    /// One book.
    ///
    /// # Errors
    ///
    /// [`ShopError::NotFound`] if there is no such book.
    pub fn book(&self, id: i32) -> Result<Listing, ShopError> {
        let conn = &mut self.database.reader()?;
        books::table
            .inner_join(authors::table)
            .filter(books::id.eq(id))
            .select(Listing::as_select())
            .first(conn)
            .optional()?
            .ok_or(ShopError::NotFound { what: "book", id })
    }

    /// The books whose title, subject or author's name has `text` in it, whatever its case.
    ///
    /// # Errors
    ///
    /// [`ShopError::Invalid`] if `text` is longer than 100 characters or has control characters.
    pub fn search(&self, text: &str) -> Result<Found, ShopError> {
        let text = text.trim();
        if text.chars().count() > 100 || text.chars().any(char::is_control) {
            return Err(ShopError::Invalid("search for at most 100 characters on one line".into()));
        }
        let pattern = format!("%{}%", escape_like(text));
        let matches = || {
            let pattern = || lower(pattern.clone());
            lower(books::title)
                .like(pattern())
                .escape('!')
                .or(lower(books::subject).like(pattern()).escape('!'))
                .or(lower(authors::name).like(pattern()).escape('!'))
        };

        let conn = &mut self.database.reader()?;
        let total = books::table.inner_join(authors::table).filter(matches()).select(count_star()).first(conn)?;
        let books = books::table
            .inner_join(authors::table)
            .filter(matches())
            .order((books::title, books::id))
            .limit(SEARCH_LIMIT)
            .select(Listing::as_select())
            .load(conn)?;
        Ok(Found { total, books })
    }

    /// The latest books, newest first.
    ///
    /// # Errors
    ///
    /// Fails only with the database.
    pub fn newest(&self, limit: i64) -> Result<Vec<Listing>, ShopError> {
        let conn = &mut self.database.reader()?;
        Ok(books::table
            .inner_join(authors::table)
            .order((books::published.desc(), books::id))
            .limit(limit)
            .select(Listing::as_select())
            .load(conn)?)
    }

    /// Every subject with the number of its books.
    ///
    /// # Errors
    ///
    /// Fails only with the database.
    pub fn subjects(&self) -> Result<Vec<(String, i64)>, ShopError> {
        let conn = &mut self.database.reader()?;
        Ok(books::table
            .group_by(books::subject)
            .select((books::subject, count_star()))
            .order(books::subject)
            .load(conn)?)
    }

    /// Up to four other books by the author of book `id`.
    ///
    /// # Errors
    ///
    /// Fails only with the database.
    pub fn related(&self, id: i32) -> Result<Vec<Listing>, ShopError> {
        let conn = &mut self.database.reader()?;
        let author: Option<i32> = books::table.find(id).select(books::author_id).first(conn).optional()?;
        let Some(author) = author else {
            return Ok(Vec::new());
        };
        Ok(books::table
            .inner_join(authors::table)
            .filter(books::author_id.eq(author))
            .filter(books::id.ne(id))
            .order(books::title)
            .limit(4)
            .select(Listing::as_select())
            .load(conn)?)
    }

    /// Copies of book `id` on the shop's own shelf.
    ///
    /// # Errors
    ///
    /// Fails only with the database.
    pub fn copies(&self, id: i32) -> Result<i32, ShopError> {
        let conn = &mut self.database.reader()?;
        let copies = stock::table.find(id).select(stock::copies).first(conn);
        Ok(copies.optional()?.unwrap_or(0))
    }

    /// Today's offer of the supplier for book `id`.
    ///
    /// # Errors
    ///
    /// [`ShopError::Supplier`] if there is no usable answer in time.
    pub fn quote(&self, id: i32) -> Result<Quote, ShopError> {
        Ok(self.supplier.quote(id)?)
    }
}

impl fmt::Debug for Catalogue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Catalogue").finish_non_exhaustive()
    }
}

/// Lets `%` and `_` stand for themselves in a pattern that is escaped by `!`.
fn escape_like(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '!' | '%' | '_') {
            pattern.push('!');
        }
        pattern.push(c);
    }
    pattern
}
