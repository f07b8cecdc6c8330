//! Runs the bookshop on the PostgreSQL database that `DATABASE_URL` names.

use std::env::{self, VarError};
use std::process::ExitCode;

use bookshop_postgres::db::{self, Pools};
use bookshop_postgres::program;

/// The database if `DATABASE_URL` is not set.
const DEFAULT: &str = "postgres://postgres@127.0.0.1:5432/postgres";

fn main() -> ExitCode {
    program::main(open, Pools::clone)
}

async fn open() -> program::Result<Pools> {
    let pools = match env::var("DATABASE_URL") {
        Ok(url) => db::open(&url).await?,
        Err(VarError::NotPresent) => {
            let opened = db::open(DEFAULT).await;
            opened.map_err(|error| format!("{error} (DATABASE_URL is not set, so {DEFAULT} was tried)"))?
        }
        Err(VarError::NotUnicode(_)) => return Err("DATABASE_URL must be UTF-8".into()),
    };
    program::say(
        "Books and orders are in the database's schema `bookshop`; `DROP SCHEMA bookshop CASCADE` removes them.",
    )?;
    Ok(pools)
}
