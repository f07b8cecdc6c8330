//! Templates that wait: functions, filters, objects and the loader of templates are plain code, and ask a database
//! while a page renders.
//!
//! minijinja needs no glue. This is an example of a shop's pages, over a pool of `tower-fiber-diesel`: [`environment`]
//! has one of each. What can be of use elsewhere is [`ask`], which makes template errors of diesel's.
//!
//! ```
//! use diesel::connection::SimpleConnection as _;
//! use hooks::minijinja::{SCHEMA, ask, environment};
//! use minijinja::context;
//! use tower_fiber::run_in_fiber;
//! use tower_fiber_diesel::PgPool;
//!
//! const PAGE: &str = "insert into templates values ('shelf.html', '
//!     <ul>{% for book in shelf(name).books() %}<li>{{ book.title }}, {{ book.id|price }}</li>{% endfor %}</ul>
//! ')";
//! const BOOKS: &str = "insert into books (shelf, title, cents) values ('poetry', 'Songs & Sonnets', 995)";
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! # let Some(server) = servers::postgresql() else { return };
//! # let url = format!("postgres://postgres@127.0.0.1:{}/postgres", server.port);
//! let pool = PgPool::new(url, 10);
//! let page = run_in_fiber(move || {
//!     ask(&pool, |conn| conn.batch_execute(&[SCHEMA, PAGE, BOOKS].join(";")))?;
//!     environment(pool).get_template("shelf.html")?.render(context! { name => "poetry" })
//! });
//! let page = page.await.expect("the template has no errors");
//! assert_eq!(page.trim(), "<ul><li>Songs &amp; Sonnets, 9.95</li></ul>");
//! # }
//! ```
//!
//! # Where a template may wait
//!
//! In functions, filters and tests; in an object's methods and values, and in iterators that it gives to a loop; in the
//! loader, and in the check whether a template is up to date. An `Environment` is shared by as many fibers as there
//! are, by reference or `Arc`, and none holds a lock of it over a wait. Fibers that miss the same template at the same
//! time all load it, and the first stays. A caller that is cancelled or unwound in the middle of a page leaves nothing
//! behind.
//!
//! This is so from minijinja 3 on. Version 2 holds a lock while it loads, for which the next fiber of the same thread
//! would block it.
//!
//! # Where not
//!
//! * In a `Serialize` that a value is made of: `Value::from(Serde(..))`, which is `Value::from_serialize` in version 2.
//!   It sets a thread-local for as long, and whatever else is serialized on the thread meanwhile comes out wrong: a
//!   test of this file shows `42` as `[1]`. Ask first, and make the value of the answer.
//! * In an object's `render`: it also runs while errors are printed, under another thread-local, and shortens what
//!   others print meanwhile.
//! * Anywhere with minijinja's feature `stacker`, which leaves the fiber's stack for others.
//!
//! `tower_fiber::lint` names such a wait while the program runs; another test has it look at all of the above.

use std::{error::Error as StdError, sync::Arc};

use diesel::prelude::*;
use minijinja::{
    Environment, Error, ErrorKind, State, context,
    value::{Object, ObjectRepr, Value, from_args},
};
use tower_fiber_diesel::{PgConn, PgPool};

use self::tables::{books, templates};

/// The tables.
pub const SCHEMA: &str = "
    create table templates (name text primary key, source text not null);
    create table books (id serial primary key, shelf text not null, title text not null, cents integer not null)";

mod tables {
    diesel::table! {
        templates (name) {
            name -> Text,
            source -> Text,
        }
    }

    diesel::table! {
        books (id) {
            id -> Integer,
            shelf -> Text,
            title -> Text,
            cents -> Integer,
        }
    }
}

/// An environment whose templates are in a database. They have the function `shelf(name)`, which gives a [`Shelf`], and
/// the filter `price` of a book's id.
pub fn environment(pool: PgPool) -> Environment<'static> {
    let mut environment = Environment::new();
    let templates = pool.clone();
    environment.set_loader(move |name| load(&templates, name));
    let prices = pool.clone();
    environment.add_filter("price", move |book: i32| price(&prices, book));
    environment.add_function("shelf", move |name: String| Value::from_object(Shelf { pool: pool.clone(), name }));
    environment
}

/// Asks the database. To be called by what is called by a template.
///
/// # Errors
///
/// The template's, with diesel's as its source. minijinja adds where it was asked.
pub fn ask<T>(pool: &PgPool, question: impl FnOnce(&mut PgConn) -> QueryResult<T>) -> Result<T, Error> {
    let mut conn = pool.get().map_err(|error| failed("the database cannot be asked", error))?;
    question(&mut conn).map_err(|error| failed("the database has no answer", error))
}

fn failed(what: &'static str, error: impl StdError + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::InvalidOperation, format!("{what}: {error}")).with_source(error)
}

fn load(pool: &PgPool, name: &str) -> Result<Option<String>, Error> {
    ask(pool, |conn| templates::table.find(name).select(templates::source).first(conn).optional())
}

fn price(pool: &PgPool, book: i32) -> Result<String, Error> {
    let cents: i32 = ask(pool, |conn| books::table.find(book).select(books::cents).first(conn))?;
    Ok(format!("{}.{:02}", cents / 100, cents % 100))
}

/// Books in a template: `shelf.books()`, and `shelf.size`, how many there are. Each asks anew.
#[derive(Debug)]
pub struct Shelf {
    pool: PgPool,
    name: String,
}

impl Shelf {
    fn books(&self) -> Result<Value, Error> {
        let rows = ask(&self.pool, |conn| {
            let rows = books::table.filter(books::shelf.eq(&self.name)).order(books::title);
            rows.select((books::id, books::title)).load::<(i32, String)>(conn)
        });
        Ok(rows?.into_iter().map(|(id, title)| context! { id, title }).collect())
    }

    fn size(&self) -> Result<i64, Error> {
        ask(&self.pool, |conn| books::table.filter(books::shelf.eq(&self.name)).count().first(conn))
    }
}

impl Object for Shelf {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        // An error here is a value, which fails where it is used.
        (key == "size").then(|| self.size().map_or_else(Value::from, Value::from))
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        if method != "books" {
            return Err(ErrorKind::UnknownMethod.into());
        }
        () = from_args(args)?;
        self.books()
    }
}
