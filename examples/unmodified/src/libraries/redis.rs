//! redis' synchronous client.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use redis::{Client, Commands as _, Connection};

use crate::{Call, Failure};

/// A command that blocks so long, on a connection of its own.
///
/// # Errors
///
/// If the URL is none.
pub fn redis(url: &str) -> Result<Call, Failure> {
    let client = Client::open(url)?;
    Ok(Arc::new(move |time| wait_for_nothing(&mut client.get_connection()?, time)))
}

/// The same on the one connection that all callers share, in a mutex of std's that is held over each command.
///
/// # Errors
///
/// If the server cannot be reached.
pub fn redis_in_mutex(url: &str) -> Result<Call, Failure> {
    let shared = Mutex::new(Client::open(url)?.get_connection()?);
    Ok(Arc::new(move |time| {
        let mut conn = shared.lock().unwrap_or_else(PoisonError::into_inner);
        wait_for_nothing(&mut conn, time)
    }))
}

fn wait_for_nothing(conn: &mut Connection, time: Duration) -> Result<(), Failure> {
    static LISTS: AtomicU64 = AtomicU64::new(0);
    // Redis answers one after the other those who wait for the same list.
    let list = format!("nothing:{}", LISTS.fetch_add(1, Ordering::Relaxed));
    // No time at all would be for ever.
    let time = time.max(Duration::from_millis(1));
    let popped: Option<(String, String)> = conn.blpop(list, time.as_secs_f64())?;
    popped.map_or(Ok(()), |popped| Err(format!("there was something: {popped:?}").into()))
}
