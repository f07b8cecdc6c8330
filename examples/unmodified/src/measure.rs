//! How long the service takes for fifty requests at once.

use std::{
    fs,
    time::{Duration, Instant},
};

use axum::{Router, body::Body, http::Request};
use futures_util::future::join_all;
use tower::ServiceExt as _;

use crate::{CALLERS, Failure, service::Library};

/// The times of a library's calls.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// One caller alone, in a fiber.
    pub one: Duration,
    /// Fifty at once in fibers of this thread.
    pub fibers: Duration,
    /// The work of these: how long the thread and its children ran on a processor. It does not overlap on one thread.
    pub work: Duration,
    /// Fifty at once on as many blocking threads.
    pub blocking: Duration,
}

/// Asks the service, without a client's connections in between.
///
/// # Errors
///
/// If a request fails.
pub async fn measure(router: &Router, library: &Library) -> Result<Times, Failure> {
    let fiber = format!("/fiber/{}", library.0);
    let blocking = format!("/blocking/{}", library.0);
    // What is made at the first use, such as threads and kept connections, counts for neither.
    at_once(router, &blocking, CALLERS).await?;
    at_once(router, &fiber, CALLERS).await?;
    let one = at_once(router, &fiber, 1).await?;
    let begun = busy()?;
    let fibers = at_once(router, &fiber, CALLERS).await?;
    let work = busy()? - begun;
    Ok(Times { one, fibers, work, blocking: at_once(router, &blocking, CALLERS).await? })
}

/// How long this thread has run on a processor, and the children that have ended.
fn busy() -> Result<Duration, Failure> {
    let thread = fs::read_to_string("/proc/thread-self/schedstat")?;
    let thread = Duration::from_nanos(thread.split(' ').next().unwrap_or_default().parse()?);
    let process = fs::read_to_string("/proc/self/stat")?;
    // The program's name may have spaces. In the 14th and 15th field after it are their hundredths of seconds.
    let fields = process.rsplit(')').next().unwrap_or_default().split_whitespace().skip(13).take(2);
    let children = fields.map(str::parse::<u64>).sum::<Result<u64, _>>()?;
    Ok(thread + Duration::from_millis(10 * children))
}

async fn at_once(router: &Router, path: &str, callers: usize) -> Result<Duration, Failure> {
    let begun = Instant::now();
    let requests = (0..callers).map(|_| async {
        let response = router.clone().oneshot(Request::get(path).body(Body::empty())?).await?;
        if response.status().is_success() {
            return Ok(());
        }
        let text = axum::body::to_bytes(response.into_body(), usize::MAX).await?;
        Err(Failure::from(format!("{path}: {}", String::from_utf8_lossy(&text).trim_end())))
    });
    join_all(requests).await.into_iter().collect::<Result<(), Failure>>()?;
    Ok(begun.elapsed())
}
