//! Waits for what libc functions wait for, by means of tokio.

use std::{os::fd::RawFd, time::Duration};

use tokio::task::spawn_blocking;

use super::{
    line,
    wait::wait,
    watch::{self, Watch},
};
use crate::{
    raw::{
        At, foreign,
        interpose::{Bridge, Direction, Refused, Returned, epoll_of, watched},
    },
    util::held::Held,
};

pub(super) struct Tokio;

const AGAIN: Returned = -(libc::EAGAIN as Returned);

/// How often descriptors without a watch are polled, because one may be closed meanwhile.
const LOOK: Duration = Duration::from_secs(1);

impl Bridge for Tokio {
    fn ready(
        &self,
        fd: RawFd,
        direction: Direction,
        limit: Option<Duration>,
        at: At,
        attempt: &mut dyn FnMut(RawFd, bool) -> Returned,
    ) -> Result<Returned, Refused> {
        let watch = Watch::of(fd).ok_or(Refused::Unable)?;
        wait(watch.ready(direction, attempt), limit, false, at)
    }

    fn any_ready(
        &self,
        fds: &[(RawFd, i16)],
        limit: Option<Duration>,
        at: At,
        attempt: &mut dyn FnMut() -> Returned,
    ) -> Result<Returned, Refused> {
        let only = match *fds {
            [(fd, libc::POLLIN)] => Some((fd, Direction::In)),
            [(fd, libc::POLLOUT)] => Some((fd, Direction::Out)),
            _ => None,
        };
        if let Some((fd, direction)) = only {
            return self.ready(fd, direction, limit, at, &mut |_, _| attempt());
        }
        let watched = || {
            let _held = Held::new();
            epoll_of(fds).and_then(watched)
        };
        // A runtime without sockets panics.
        let epoll = foreign(watched).ok().flatten().ok_or(Refused::Unable)?;
        let ready = async {
            loop {
                let ready = tokio::time::timeout(LOOK, epoll.readable()).await;
                let returned = attempt();
                if returned != AGAIN {
                    return Ok(returned);
                }
                match ready {
                    Ok(Ok(mut ready)) => ready.clear_ready(),
                    // The runtime ends, and with it the call.
                    Ok(Err(_)) => return Err(Refused::Cancelled),
                    Err(_) => {}
                }
            }
        };
        wait(ready, limit, false, at)
    }

    fn sleep(&self, time: Duration, at: At) -> Result<(), Refused> {
        wait(slept(time), None, true, at)
    }

    fn sleep_unless_cancelled(&self, time: Duration, at: At) -> Result<(), Refused> {
        wait(slept(time), None, false, at)
    }

    fn changed(
        &self,
        address: usize,
        limit: Option<Duration>,
        at: At,
        is_due: &mut dyn FnMut() -> bool,
    ) -> Result<(), Refused> {
        wait(line::changed(address, is_due), limit, true, at)
    }

    fn is_awaited(&self, address: usize) -> bool {
        line::is_known(address)
    }

    fn change(&self, address: usize, all: bool) {
        line::change(address, all);
    }

    fn on_blocking_thread(&self, f: Box<dyn FnOnce() + Send>, at: At) -> Result<(), Refused> {
        wait(async { spawn_blocking(f).await.map_err(|_| Refused::Unable) }, None, false, at)
    }

    fn closing(&self, first: RawFd, last: RawFd) {
        watch::forget_all(first, last);
    }

    fn blocks(&self, call: &'static str) {
        super::blocked::warn(call);
    }
}

async fn slept(time: Duration) -> Result<(), Refused> {
    tokio::time::sleep(time).await;
    Ok(())
}
