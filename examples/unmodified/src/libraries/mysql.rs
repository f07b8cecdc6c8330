//! mysql's own pool, which keeps its connections behind a mutex and a condition variable of `std`.

use std::sync::Arc;

use mysql::{Opts, OptsBuilder, Pool, PoolConstraints, PoolOpts, prelude::Queryable as _};

use crate::{Call, Failure};

/// A statement that takes so long, on a connection of a pool of at most `size`, which opens them as they are needed.
///
/// # Errors
///
/// If the URL is none, or the server lets nobody in.
pub fn mysql(url: &str, size: usize) -> Result<Call, Failure> {
    let constraints = PoolConstraints::new(1, size).ok_or("a pool has at least one connection")?;
    let options =
        OptsBuilder::from_opts(Opts::from_url(url)?).pool_opts(PoolOpts::default().with_constraints(constraints));
    let pool = Pool::new(options)?;
    Ok(Arc::new(move |time| {
        let mut conn = pool.get_conn()?;
        conn.exec_drop("select sleep(?)", (time.as_secs_f64(),))?;
        Ok(())
    }))
}
