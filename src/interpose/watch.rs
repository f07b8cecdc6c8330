//! The descriptors that fibers have waited for, each watched by a runtime until it is closed.

use std::{
    collections::BTreeMap,
    future::{Future as _, poll_fn},
    os::fd::{AsRawFd as _, OwnedFd, RawFd},
    pin::pin,
    process,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::Poll,
    time::Duration,
};

use tokio::{
    io::{Interest, unix::AsyncFd},
    runtime::{self, Handle},
    sync::Notify,
};

use crate::{
    raw::{
        foreign,
        interpose::{Direction, Refused, Returned, duplicate, identity, watched},
        let_go,
    },
    util::{held::Held, lock::lock},
};

/// The same file by a number that only the crate has, so that a descriptor which is closed and reused while a fiber
/// waits is never read in its place.
pub(super) struct Watch {
    fd: AsyncFd<OwnedFd>,
    /// Which file it is.
    identity: (u64, u64),
    runtime: runtime::Id,
    is_closed: AtomicBool,
    closed: Notify,
}

/// The watched descriptors of each shard, by number, for each runtime.
type Shard = Mutex<BTreeMap<RawFd, Vec<Arc<Watch>>>>;

const SHARDS: usize = 16;

const AGAIN: Returned = -(libc::EAGAIN as Returned);

/// How often a call is repeated on a descriptor that always reports readiness.
const LOOKS: [Duration; 2] = [Duration::from_millis(1), Duration::from_millis(16)];

static WATCHES: [Shard; SHARDS] = [const { Mutex::new(BTreeMap::new()) }; SHARDS];

/// The number of watched descriptors.
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// The process that watches. A forked child shares none of its watches.
static PROCESS: OnceLock<u32> = OnceLock::new();

fn shard(fd: RawFd) -> &'static Shard {
    &WATCHES[fd.unsigned_abs() as usize % SHARDS]
}

impl Watch {
    /// The watch of this descriptor, which is made if there is none, or if it is of a file that was closed unseen.
    pub(super) fn of(fd: RawFd) -> Option<Arc<Self>> {
        let _held = Held::new();
        let runtime = Handle::try_current().ok()?.id();
        let known = lock(shard(fd)).get(&fd).and_then(|all| all.iter().find(|one| one.runtime == runtime).cloned());
        if let Some(known) = known {
            if identity(fd) == Some(known.identity) {
                return Some(known);
            }
            forget(fd);
        }
        // A runtime without sockets panics.
        let watched = foreign(|| duplicate(fd).and_then(watched)).ok()??;
        let identity = identity(watched.as_raw_fd())?;
        let made =
            Arc::new(Self { fd: watched, identity, runtime, is_closed: AtomicBool::new(false), closed: Notify::new() });
        PROCESS.get_or_init(process::id);
        COUNT.fetch_add(1, Ordering::Relaxed);
        lock(shard(fd)).entry(fd).or_default().push(Arc::clone(&made));
        forget_stale(fd);
        Some(made)
    }

    /// Calls `attempt` when the file may be ready, until it returns something other than `-EAGAIN`.
    pub(super) async fn ready(
        &self,
        direction: Direction,
        attempt: &mut dyn FnMut(RawFd, bool) -> Returned,
    ) -> Result<Returned, Refused> {
        let interest = match direction {
            Direction::In => Interest::READABLE,
            Direction::Out => Interest::WRITABLE,
        };
        let mut closed = pin!(self.closed.notified());
        closed.as_mut().enable();
        if self.is_closed.load(Ordering::Acquire) {
            return Err(Refused::Closed);
        }
        let mut done = pin!(self.ready_or_closed(interest, attempt));
        poll_fn(move |cx| match done.as_mut().poll(cx) {
            Poll::Pending => closed.as_mut().poll(cx).map(|()| Err(Refused::Closed)),
            done => done,
        })
        .await
    }

    async fn ready_or_closed(
        &self,
        interest: Interest,
        attempt: &mut dyn FnMut(RawFd, bool) -> Returned,
    ) -> Result<Returned, Refused> {
        let [mut pause, longest] = LOOKS;
        loop {
            // An error means that the runtime ends, and with it the call; to block would stop the thread for good.
            let mut ready = self.fd.ready(interest).await.map_err(|_| Refused::Cancelled)?;
            let has_ended = ready.ready().is_read_closed() || ready.ready().is_write_closed();
            let returned = attempt(self.fd.as_raw_fd(), has_ended);
            if returned != AGAIN {
                return Ok(returned);
            }
            ready.clear_ready();
            drop(ready);
            // Where the other side has ended, tokio says so for ever, though a call may still have to wait: on a
            // datagram socket whose peer sends no more.
            if has_ended {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(longest);
            }
        }
    }
}

/// Stops watching the descriptors from `first` to `last`. A fiber that waits for one of them gets an error.
pub(super) fn forget_all(first: RawFd, last: RawFd) {
    if COUNT.load(Ordering::Relaxed) == 0 || PROCESS.get() != Some(&process::id()) {
        return;
    }
    if first == last {
        forget(first);
        return;
    }
    for shard in &WATCHES {
        let found: Vec<_> = {
            let _held = Held::new();
            lock(shard).range(first..=last).map(|(&fd, _)| fd).collect()
        };
        found.into_iter().for_each(forget);
    }
}

fn forget(fd: RawFd) {
    let _held = Held::new();
    // The lock is released before anything is dropped or woken.
    let found = lock(shard(fd)).remove(&fd);
    for watch in found.into_iter().flatten() {
        COUNT.fetch_sub(1, Ordering::Relaxed);
        watch.is_closed.store(true, Ordering::Release);
        _ = foreign(|| watch.closed.notify_waiters());
        let_go(watch);
    }
}

/// Checks whether the next two of the shard were closed by a call that does not lead here.
fn forget_stale(fd: RawFd) {
    let is_stale = |(&number, all): (&RawFd, &Vec<Arc<Watch>>)| {
        let is_stale = all.iter().any(|one| identity(number) != Some(one.identity));
        is_stale.then_some(number)
    };
    let stale: Vec<_> = lock(shard(fd)).range(fd + 1..).take(2).filter_map(is_stale).collect();
    stale.into_iter().for_each(forget);
}
