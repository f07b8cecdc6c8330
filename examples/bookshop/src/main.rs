//! Runs the bookshop on a temporary database.

use std::process::ExitCode;

use bookshop::db::TemporaryDatabase;
use bookshop::program;

fn main() -> ExitCode {
    program::main(TemporaryDatabase::create, TemporaryDatabase::pools)
}
