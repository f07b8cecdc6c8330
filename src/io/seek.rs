//! [`Seek`] for [`FiberIo`].

use std::{
    io::{self, Seek, SeekFrom},
    pin::Pin,
    task::{Poll, ready},
};

use tokio::io::AsyncSeek;

use super::{FiberIo, limit::TimeLimit, wait::wait};

/// What a seek does next.
enum Progress {
    /// Completes a seek that was begun before.
    Settling,
    Seeking,
}

impl<T: AsyncSeek + Unpin + ?Sized> Seek for FiberIo<T> {
    #[track_caller]
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        let mut progress = Progress::Settling;
        wait(TimeLimit::none(), |cx| {
            let mut inner = Pin::new(&mut self.inner);
            if let Progress::Settling = progress {
                ready!(inner.as_mut().poll_complete(cx))?;
                inner.as_mut().start_seek(position)?;
                progress = Progress::Seeking;
            }
            let sought = ready!(inner.poll_complete(cx));
            // If this seek was interrupted, the next poll starts it again.
            progress = Progress::Settling;
            Poll::Ready(sought)
        })
    }
}
