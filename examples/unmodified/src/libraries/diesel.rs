//! diesel's own `PgConnection` over libpq, from a pool of r2d2.

use std::{sync::Arc, time::Duration};

use diesel::{
    prelude::*,
    r2d2::{self, ConnectionManager},
    sql_query,
    sql_types::Double,
};

use crate::{Call, Failure};

/// Connections to PostgreSQL.
pub type Pool = r2d2::Pool<ConnectionManager<PgConnection>>;

/// Opens all `size` connections. Without a time limit of its own, `get` waits for one for 30 seconds.
///
/// # Errors
///
/// If the server lets nobody in.
pub fn pool_of_diesel(url: &str, size: usize, get_limit: Option<Duration>) -> Result<Pool, Failure> {
    // At the first, r2d2 would only say that it took too long.
    PgConnection::establish(url)?;
    let mut builder = Pool::builder().max_size(size.try_into()?);
    if let Some(limit) = get_limit {
        builder = builder.connection_timeout(limit);
    }
    Ok(builder.build(ConnectionManager::new(url))?)
}

/// A transaction with a query that takes so long.
pub fn diesel(pool: Pool) -> Call {
    Arc::new(move |time| {
        let conn = &mut pool.get()?;
        conn.transaction(|conn| {
            sql_query("select pg_sleep($1)").bind::<Double, _>(time.as_secs_f64()).execute(conn)?;
            Ok::<_, Failure>(())
        })
    })
}
