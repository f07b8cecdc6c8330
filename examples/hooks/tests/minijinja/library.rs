//! A library of a test's own: templates, and books on shelves.

use std::ops::Deref;

use diesel::{insert_into, prelude::*};
use hooks::minijinja::SCHEMA;

use super::schema::Schema;

diesel::table! {
    templates (name) {
        name -> Text,
        source -> Text,
    }
}

/// Five shelves, `shelf 0` to `shelf 4`, of two books each: ids 1 to 10, ids and titles ascending.
const BOOKS: &str = "
    insert into books (shelf, title, cents)
    select 'shelf ' || number / 2, 'Tom & Jerry ' || number, 1000 + 5 * number from generate_series(0, 9) as number";

pub(crate) struct Library(Schema);

impl Library {
    /// None if there is no server.
    pub(crate) async fn open(name: &str, sources: &'static [(&str, &str)]) -> Option<Self> {
        let library = Schema::open(name, &[SCHEMA, BOOKS].join(";")).await.map(Self)?;
        let rows: Vec<_> =
            sources.iter().map(|(name, source)| (templates::name.eq(name), templates::source.eq(source))).collect();
        library.ask(move |conn| insert_into(templates::table).values(rows).execute(conn).unwrap()).await;
        Some(library)
    }
}

impl Deref for Library {
    type Target = Schema;

    fn deref(&self) -> &Schema {
        &self.0
    }
}
