//! What is in stock, in SQLite: functions of diesel's own connection.

use diesel::{connection::SimpleConnection as _, prelude::*};
use serde::{Deserialize, Serialize};

use super::USER;

diesel::table! {
    items (id) { id -> Integer, name -> Text, stock -> Integer, changed_by -> Text }
}

diesel::table! {
    users (token) { token -> Text, name -> Text }
}

const SCHEMA: &str = "
    PRAGMA journal_mode = WAL;
    CREATE TABLE IF NOT EXISTS items (
        id INTEGER NOT NULL PRIMARY KEY, name TEXT NOT NULL,
        stock INTEGER NOT NULL CHECK (stock >= 0), changed_by TEXT NOT NULL
    );
    CREATE TABLE IF NOT EXISTS users (token TEXT NOT NULL PRIMARY KEY, name TEXT NOT NULL);
    INSERT OR IGNORE INTO users VALUES ('ada-secret', 'Ada'), ('zoe-secret', 'Zoë');
    INSERT OR IGNORE INTO items VALUES (1, 'nail', 1000, 'nobody'), (2, 'Schräubchen', 200, 'nobody'),
        (3, 'hammer', 3, 'nobody');
";

/// How many items are read at once.
const PAGE: i64 = 500;

#[derive(Clone, Debug, Deserialize, Insertable, Queryable, Serialize)]
#[diesel(table_name = items)]
pub(crate) struct Item {
    pub(crate) id: i32,
    name: String,
    stock: i32,
    #[serde(skip_deserializing)]
    changed_by: String,
}

pub(crate) fn set_up(conn: &mut SqliteConnection) -> QueryResult<()> {
    conn.batch_execute(SCHEMA)
}

pub(crate) fn user_of(conn: &mut SqliteConnection, token: &str) -> QueryResult<Option<String>> {
    users::table.find(token).select(users::name).first(conn).optional()
}

pub(crate) fn find(conn: &mut SqliteConnection, id: i32) -> QueryResult<Option<Item>> {
    items::table.find(id).first(conn).optional()
}

/// Items after the one with this number.
pub(crate) fn page(conn: &mut SqliteConnection, after: i32) -> QueryResult<Vec<Item>> {
    items::table.filter(items::id.gt(after)).order(items::id).limit(PAGE).load(conn)
}

/// Adds or replaces all items, or none.
pub(crate) fn import(conn: &mut SqliteConnection, mut rows: Vec<Item>) -> QueryResult<usize> {
    let user = USER.get();
    conn.immediate_transaction(|conn| {
        for row in &mut rows {
            row.changed_by.clone_from(&user);
            diesel::replace_into(items::table).values(&*row).execute(conn)?;
        }
        Ok(rows.len())
    })
}
