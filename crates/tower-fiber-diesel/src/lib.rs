#![cfg_attr(docsrs, feature(doc_cfg))]
#![doc = include_str!("../README.md")]

mod block_on;
mod lendable;
mod pool;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod transaction;

#[cfg(feature = "postgres")]
#[cfg_attr(docsrs, doc(cfg(feature = "postgres")))]
pub mod postgres;
#[cfg(feature = "sqlite")]
#[cfg_attr(docsrs, doc(cfg(feature = "sqlite")))]
pub mod sqlite;

pub use diesel_async;

#[cfg(feature = "postgres")]
pub use self::postgres::{PgConn, PgPool};
#[cfg(feature = "sqlite")]
pub use self::sqlite::{SqliteConn, SqlitePool};
pub use self::{
    block_on::FiberBlockOn,
    lendable::Lendable,
    pool::{Conn, Left, Lent, Pool, PoolBuilder, PoolStatus},
};
