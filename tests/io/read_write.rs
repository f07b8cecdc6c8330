//! `FiberIo`: what reads and writes give, in fibers and where they cannot wait.

#![cfg(feature = "io")]

use std::{
    io::{BufWriter, ErrorKind, IoSlice, Read as _, Write as _},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, ReadBuf, duplex},
    sync::{mpsc, oneshot},
    time::timeout,
};
use tower_fiber::{FiberLayer, OnDrop, WaitExt as _, block_on_waits, io::FiberIo, run_in_fiber};

use crate::support::{both, poll_once};

#[tokio::test]
async fn it_reads_and_writes_while_the_other_side_does() {
    let (mut here, there) = duplex(16);
    let echo = tokio::spawn(run_in_fiber(move || {
        let mut stream = FiberIo::new(there);
        let mut text = String::new();
        (&mut stream).take(100).read_to_string(&mut text).unwrap();
        stream.write_all(text.to_uppercase().as_bytes()).unwrap();
        stream.flush().unwrap();
        stream.into_inner()
    }));
    let text = "a".repeat(100);
    here.write_all(text.as_bytes()).await.unwrap();
    let mut answer = vec![0; 100];
    // A generous limit turns a hang into a failure.
    timeout(Duration::from_secs(60), here.read_exact(&mut answer)).await.expect("no answer comes").unwrap();
    assert_eq!(answer, text.to_uppercase().as_bytes());
    drop(echo.await.unwrap());
    assert_eq!(here.read(&mut answer).await.unwrap(), 0, "the end is passed on");
}

#[tokio::test]
async fn vectored_writes_stay_vectored() {
    let (here, mut there) = duplex(16);
    let written =
        run_in_fiber(move || FiberIo::new(here).write_vectored(&[IoSlice::new(b"one"), IoSlice::new(b"two")]).unwrap());
    assert_eq!(written.await, 6);
    let mut text = String::new();
    there.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "onetwo");
}

#[test]
fn it_blocks_where_the_thread_may_block() {
    let (here, mut there) = duplex(16);
    let read = block_on_waits(|| {
        async { there.write_all(b"hello").await.unwrap() }.wait();
        let mut five = [0; 5];
        FiberIo::new(here).read_exact(&mut five).unwrap();
        five
    });
    assert_eq!(&read, b"hello");
}

#[tokio::test]
async fn outside_a_fiber_it_says_what_to_do() {
    let (here, _there) = duplex(16);
    let error = FiberIo::new(here).write(b"x").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("run_in_fiber"), "{error}");
}

#[tokio::test]
async fn inside_an_awaited_future_it_says_what_to_do() {
    let (here, _there) = duplex(16);
    let error = run_in_fiber(|| async { FiberIo::new(here).write(b"x").unwrap_err() }.wait()).await;
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("`.await` it"), "{error}");
}

#[tokio::test]
async fn a_cancelled_fiber_gets_connection_aborted_now_and_later() {
    for policy in [OnDrop::Cancel, OnDrop::Unwind] {
        for layer in both(FiberLayer::builder().on_drop(policy)) {
            let (here, _there) = duplex(16);
            let (begun, begins) = oneshot::channel();
            let (report, mut reports) = mpsc::unbounded_channel();
            let mut call = Box::pin(layer.run(move || {
                begun.send(()).unwrap();
                let mut stream = FiberIo::new(here);
                report.send(stream.read(&mut [0]).unwrap_err()).unwrap();
                report.send(stream.write_all(b"x").unwrap_err()).unwrap();
            }));
            assert!(poll_once(&mut call).await.is_none());
            begins.await.unwrap();
            drop(call);
            while let Some(error) = reports.recv().await {
                assert_eq!(error.kind(), ErrorKind::ConnectionAborted);
                assert!(error.to_string().contains("cancelled"), "{error}");
            }
            layer.handle().drained().await;
            assert_eq!(layer.handle().counters().refused_waits, 2);
        }
    }
}

/// Never ready, as a client that does not read.
struct Stuck;

impl tokio::io::AsyncWrite for Stuck {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<std::io::Result<usize>> {
        Poll::Pending
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Pending
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Pending
    }
}

#[tokio::test]
async fn while_its_fiber_panics_it_says_so() {
    let error = run_in_fiber(|| {
        struct Late<'a>(&'a mut Option<std::io::Error>);

        impl Drop for Late<'_> {
            fn drop(&mut self) {
                *self.0 = Some(FiberIo::new(Stuck).write(b"x").unwrap_err());
            }
        }

        let mut error = None;
        let caught = catch_unwind(AssertUnwindSafe(|| {
            let _late = Late(&mut error);
            let mut flushed_in_drop = BufWriter::new(FiberIo::new(Stuck));
            flushed_in_drop.write_all(b"x").unwrap();
            std::panic::resume_unwind(Box::new("expected"));
        }));
        assert!(caught.is_err());
        error.unwrap()
    });
    let error = error.await;
    assert_eq!(error.kind(), ErrorKind::ConnectionAborted);
    assert!(error.to_string().contains("panicking"), "{error}");
}

#[tokio::test]
async fn the_streams_own_errors_pass() {
    struct Broken;

    impl AsyncRead for Broken {
        fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
            Poll::Ready(Err(ErrorKind::TimedOut.into()))
        }
    }

    let mut stream = FiberIo::new(Broken);
    assert!(matches!(stream.get_ref(), Broken));
    let error = run_in_fiber(move || stream.read(&mut [0]).unwrap_err()).await;
    assert_eq!(error.kind(), ErrorKind::TimedOut);
}
