//! diesel over libpq, from r2d2's pool.

mod common;

use std::time::Duration;

use common::{builder, on_one_thread, overlap};
use futures_util::future::join_all;
use unmodified::{CALLERS, Call, libraries};

fn call(size: usize, get_limit: Option<Duration>) -> Option<Call> {
    let server = servers::postgresql()?;
    let url = format!("postgres://postgres@127.0.0.1:{}/postgres", server.port);
    Some(libraries::diesel(libraries::pool_of_diesel(&url, size, get_limit).unwrap()))
}

#[test]
fn a_connection_for_each_fiber() {
    let Some(call) = call(CALLERS, None) else { return };
    overlap(&call);
}

/// `max_fibers` lets fifty callers wait for ten connections.
#[test]
fn as_many_fibers_as_connections() {
    const EACH: Duration = Duration::from_millis(20);

    let Some(call) = call(10, Some(Duration::from_secs(5))) else { return };
    on_one_thread(async {
        let layer = builder().max_fibers(10).build().unwrap();
        let calls = (0..CALLERS).map(|_| {
            let call = call.clone();
            layer.run(move || call(EACH).map_err(|error| error.to_string()))
        });
        assert_eq!(join_all(calls).await.into_iter().collect::<Result<(), _>>(), Ok(()));
    });
}
