//! diesel in fibers on SQLite, whose queries run on other threads.

mod library;
mod sqlite_cut_in_query;
mod transactions;
mod unmodified;
