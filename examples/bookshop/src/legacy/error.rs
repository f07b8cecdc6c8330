//! What can go wrong in the shop.

use std::error::Error;
use std::fmt;

use super::{SupplierError, Unavailable};

/// Why the shop could not do what it was asked for. Nothing was changed.
#[derive(Debug)]
pub enum ShopError {
    /// There is no such thing.
    NotFound {
        /// Its kind, as in "there is no book 7".
        what: &'static str,
        /// The number that was asked for.
        id: i32,
    },
    /// The customer's input makes no sense; the text says why.
    Invalid(String),
    /// There are fewer copies on the shelf than were ordered.
    OutOfStock {
        /// The book that ran out.
        book_id: i32,
        /// Copies that were ordered.
        wanted: i32,
        /// Copies that are left.
        left: i32,
    },
    /// The supplier gave no usable answer in time.
    Supplier(SupplierError),
    /// There was no database connection to be had.
    Unavailable(Unavailable),
    /// A query failed.
    Query(diesel::result::Error),
    /// A page could not be rendered. If something that a template called failed, that is the source.
    Page(minijinja::Error),
}

impl ShopError {
    /// What really went wrong: looks through a failed page for the error of the function that the
    /// template called.
    #[must_use]
    pub fn root(&self) -> &Self {
        let mut cause: Option<&(dyn Error + 'static)> = Some(self);
        let mut root = self;
        while let Some(error) = cause {
            root = error.downcast_ref().unwrap_or(root);
            cause = error.source();
        }
        root
    }
}

impl fmt::Display for ShopError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound { what, id } => write!(f, "there is no {what} {id}"),
            Self::Invalid(reason) => f.write_str(reason),
            Self::OutOfStock { book_id, wanted, left } => {
                write!(f, "only {left} of the {wanted} ordered copies of book {book_id} are left")
            }
            Self::Supplier(error) => error.fmt(f),
            Self::Unavailable(error) => error.fmt(f),
            Self::Query(_) => f.write_str("a database query failed"),
            Self::Page(_) => f.write_str("a page could not be rendered"),
        }
    }
}

impl Error for ShopError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::NotFound { .. } | Self::Invalid(_) | Self::OutOfStock { .. } => None,
            // These two speak for themselves, so their reasons follow.
            Self::Supplier(error) => error.source(),
            Self::Unavailable(error) => error.source(),
            Self::Query(error) => Some(error),
            Self::Page(error) => Some(error),
        }
    }
}

impl From<SupplierError> for ShopError {
    fn from(error: SupplierError) -> Self {
        Self::Supplier(error)
    }
}

impl From<Unavailable> for ShopError {
    fn from(error: Unavailable) -> Self {
        Self::Unavailable(error)
    }
}

impl From<diesel::result::Error> for ShopError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Query(error)
    }
}

impl From<minijinja::Error> for ShopError {
    fn from(error: minijinja::Error) -> Self {
        Self::Page(error)
    }
}
