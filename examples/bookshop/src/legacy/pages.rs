//! The HTML pages. Their templates call functions that query while the page renders.

use std::fmt;

use minijinja::value::{Serde, Value};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, context};

use super::models::Receipt;
use super::{Catalogue, ShopError};

const BASE: (&str, &str) = ("base.html", include_str!("templates/base.html"));
const HOME: (&str, &str) = ("home.html", include_str!("templates/home.html"));
const SEARCH: (&str, &str) = ("search.html", include_str!("templates/search.html"));
const BOOK: (&str, &str) = ("book.html", include_str!("templates/book.html"));
const ORDER: (&str, &str) = ("order.html", include_str!("templates/order.html"));
const ERROR: (&str, &str) = ("error.html", include_str!("templates/error.html"));

/// The HTML pages.
pub struct Pages {
    templates: Environment<'static>,
    catalogue: Catalogue,
}

impl Pages {
    /// Pages over a catalogue.
    ///
    /// # Panics
    ///
    /// If an embedded template has a syntax error.
    #[must_use]
    pub fn new(catalogue: &Catalogue) -> Self {
        let mut templates = environment(&[BASE, HOME, SEARCH, BOOK, ORDER]);
        templates.add_filter("money", money);

        // What a template calls runs in the middle of the rendering, as often as the template says.
        let shop = catalogue.clone();
        templates.add_function("copies", move |id: i32| shop.copies(id).map_err(|error| failed("copies", error)));
        let shop = catalogue.clone();
        templates.add_function("related", move |id: i32| {
            let books = shop.related(id).map_err(|error| failed("related", error))?;
            Ok::<_, Error>(Value::from(Serde(books)))
        });
        let shop = catalogue.clone();
        templates.add_function("quote", move |id: i32| {
            let quote = shop.quote(id).map_err(|error| failed("quote", error))?;
            Ok::<_, Error>(Value::from(Serde(quote)))
        });
        let shop = catalogue.clone();
        templates.add_function("title", move |id: i32| {
            let listing = shop.book(id).map_err(|error| failed("title", error))?;
            Ok::<_, Error>(listing.book.title)
        });

        Self { templates, catalogue: catalogue.clone() }
    }

    /// The front page.
    ///
    /// # Errors
    ///
    /// Fails only with the database.
    pub fn home(&self) -> Result<String, ShopError> {
        let subjects: Vec<Value> =
            self.catalogue.subjects()?.into_iter().map(|(name, books)| context! { name, books }).collect();
        let newest = self.catalogue.newest(8)?;
        self.render(HOME, context! { subjects, newest => Serde(newest) })
    }

    /// What a search finds.
    ///
    /// # Errors
    ///
    /// [`ShopError::Invalid`] for a text that cannot be searched for.
    pub fn search(&self, text: &str) -> Result<String, ShopError> {
        let found = self.catalogue.search(text)?;
        let (total, books) = (found.total, Serde(found.books));
        self.render(SEARCH, context! { q => text, total, books })
    }

    /// One book, with today's offer of the supplier.
    ///
    /// # Errors
    ///
    /// [`ShopError::NotFound`] if there is no such book, and whatever goes wrong in a function that the
    /// template calls (see [`ShopError::root`]).
    pub fn book(&self, id: i32) -> Result<String, ShopError> {
        let book = self.catalogue.book(id)?;
        self.render(BOOK, context! { book => Serde(book) })
    }

    /// An order that was placed.
    ///
    /// # Errors
    ///
    /// Fails only with the database.
    pub fn order(&self, receipt: &Receipt) -> Result<String, ShopError> {
        self.render(ORDER, context! { order => Serde(receipt) })
    }

    fn render(&self, template: (&str, &str), values: Value) -> Result<String, ShopError> {
        Ok(self.templates.get_template(template.0)?.render(values)?)
    }
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages").finish_non_exhaustive()
    }
}

/// The page that says what went wrong. It needs no shop.
///
/// # Errors
///
/// Fails only if the template does.
pub fn error_page(heading: &str, message: &str) -> Result<String, ShopError> {
    let templates = environment(&[BASE, ERROR]);
    let values = context! { heading, message, q => "" };
    Ok(templates.get_template(ERROR.0)?.render(values)?)
}

fn environment(sources: &[(&'static str, &'static str)]) -> Environment<'static> {
    let mut templates = Environment::new();
    templates.set_auto_escape_callback(|_| AutoEscape::Html);
    for (name, source) in sources {
        templates.add_template(name, source).expect("an embedded template is valid");
    }
    templates
}

fn failed(function: &str, error: ShopError) -> Error {
    Error::new(ErrorKind::InvalidOperation, format!("{function} failed")).with_source(error)
}

/// Cents as a price.
fn money(cents: i64) -> String {
    format!("€ {}.{:02}", cents / 100, cents % 100)
}
