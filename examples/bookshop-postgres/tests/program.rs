//! How the program starts: what it makes of a database, and what it says if it cannot.

use std::process::Stdio;

use bookshop_postgres::db::{Pools, open};
use bookshop_postgres::legacy::Database;
use bookshop_postgres::legacy::schema::{books, orders};
use diesel::prelude::*;
use tokio::net::TcpListener;
use tokio::process::Command;
use tower_fiber::run_in_fiber;

use self::db::{Visitor, empty_database};

#[expect(dead_code, reason = "for other tests")]
mod db;

/// How many books there are, and who has ordered.
async fn contents(pools: Pools) -> (i64, Vec<String>) {
    let read = move || {
        let conn = &mut pools.reader().expect("a connection");
        let titles = books::table.count().get_result(conn)?;
        Ok((titles, orders::table.select(orders::customer).load(conn)?))
    };
    run_in_fiber(read).await.unwrap_or_else(|error: diesel::result::Error| panic!("{error}"))
}

#[tokio::test]
async fn a_second_start_finds_the_orders_of_the_first() {
    let url = empty_database().await;
    // Two shops that start at once make one schema.
    let (one, other) = tokio::join!(open(&url), open(&url));
    let (one, _other) = (one.unwrap(), other.unwrap());
    assert_eq!(contents(one).await, (360, Vec::new()));
    let order = "INSERT INTO orders (customer, placed_at, total_cents) VALUES ('Ada', 0, 0)";
    Visitor::at(&url).await.run(order).await;
    let again = open(&url).await.unwrap();
    assert_eq!(contents(again).await, (360, vec!["Ada".to_owned()]));
}

#[tokio::test]
async fn readers_cannot_write() {
    let pools = open(&empty_database().await).await.unwrap();
    let write = move || diesel::delete(books::table).execute(&mut pools.reader().unwrap());
    let error = run_in_fiber(write).await.unwrap_err();
    assert!(error.to_string().contains("read-only"), "{error}");
}

#[tokio::test]
async fn what_is_not_the_shop_s_is_left_alone() {
    let url = empty_database().await;
    let mut owner = Visitor::at(&url).await;
    owner.run("CREATE SCHEMA bookshop; CREATE TABLE bookshop.books (isbn TEXT)").await;
    let error = open(&url).await.unwrap_err().to_string();
    assert!(error.contains("schema `bookshop` that is not this shop's"), "{error}");
    assert!(error.contains("let DATABASE_URL name another one"), "{error}");
    owner.run("SELECT isbn FROM books; DROP TABLE books; DROP SCHEMA bookshop RESTRICT").await;
}

#[tokio::test]
async fn a_user_who_may_not_make_a_schema_is_told() {
    let url = empty_database().await;
    Visitor::at(&url).await.run("CREATE ROLE guest LOGIN").await;
    let error = open(&url.replace("postgres@", "guest@")).await.unwrap_err().to_string();
    assert!(error.contains("permission denied for database"), "{error}");
    assert!(error.contains("let DATABASE_URL name another one"), "{error}");
}

/// Runs the program, which has to fail, and returns what it says.
async fn failure(url: Option<&str>, port: u16) -> String {
    let mut program = Command::new(env!("CARGO_BIN_EXE_bookshop-postgres"));
    program.env("PORT", port.to_string()).env_remove("DATABASE_URL").envs(url.map(|url| ("DATABASE_URL", url)));
    let output = program.stdin(Stdio::null()).kill_on_drop(true).output().await.unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    said
}

#[tokio::test]
async fn what_is_wrong_is_said_with_what_to_do() {
    // Nobody listens there: the system gives no port below 1024 to a program that asks for any.
    let nobody = "postgres://ada:secret@127.0.0.1:1/books";
    for url in [nobody, "nonsense", ""] {
        let said = failure(Some(url), 0).await;
        assert!(said.starts_with("bookshop-postgres: cannot connect to PostgreSQL: "), "{said}");
        assert!(said.contains("tests/servers/start postgresql"), "{said}");
        assert!(!said.contains("secret"), "{said}");
    }
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let said = failure(Some(nobody), taken.local_addr().unwrap().port()).await;
    assert!(said.contains("set PORT to a free port"), "{said}");
}
