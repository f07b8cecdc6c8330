//! [`Seek`].

use std::{
    io::{self, Seek, SeekFrom},
    pin::Pin,
    task::{Poll, ready},
};

use tokio::io::AsyncSeek;

use super::{FiberIo, limit::Limit, steps::wait_step};

/// How far a seek has come.
enum Progress {
    /// What was begun before has to end first.
    Settling,
    Seeking,
}

impl<T: AsyncSeek + Unpin + ?Sized> Seek for FiberIo<T> {
    #[track_caller]
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        let mut progress = Progress::Settling;
        wait_step(Limit::none(), |cx| {
            let mut inner = Pin::new(&mut self.inner);
            if let Progress::Settling = progress {
                ready!(inner.as_mut().poll_complete(cx))?;
                inner.as_mut().start_seek(position)?;
                progress = Progress::Seeking;
            }
            let sought = ready!(inner.poll_complete(cx));
            // One that was interrupted begins anew.
            progress = Progress::Settling;
            Poll::Ready(sought)
        })
    }
}
