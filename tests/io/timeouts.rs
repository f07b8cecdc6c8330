//! `FiberIo`'s time-outs: to what they apply, and what is left after them.

#![cfg(feature = "io")]

use std::{
    future::Future as _,
    io::{self, BufRead as _, ErrorKind, Read as _, Write as _},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream, duplex},
    sync::oneshot,
    time::{Instant, sleep, timeout},
};
use tower_fiber::{
    FiberLayer, OnDrop, Placement, block_on_waits,
    io::{FiberIo, TimedOut},
    run_in_fiber, run_local,
};

use crate::support::poll_once;

const LIMIT: Duration = Duration::from_secs(5);
const LESS: Duration = Duration::from_secs(4);

fn limited(stream: DuplexStream) -> FiberIo<DuplexStream> {
    let mut stream = FiberIo::new(stream);
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream.set_write_timeout(Some(LIMIT)).unwrap();
    stream
}

fn assert_timed_out<R: std::fmt::Debug>(result: io::Result<R>, text: &str) {
    let error = result.unwrap_err();
    assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::TimedOut, text));
    assert_eq!(error.downcast::<TimedOut>().unwrap().to_string(), text);
}

const NOT_READ: &str = "nothing was read within the read time-out of 5s";
const NOT_WRITTEN: &str = "nothing was written within the write time-out of 5s";

#[tokio::test(start_paused = true)]
async fn a_read_ends_when_it_has_elapsed_and_loses_nothing() {
    let (here, mut there) = duplex(16);
    let begun = Instant::now();
    let mut stream = run_in_fiber(move || {
        let mut stream = limited(here);
        assert_timed_out(stream.read(&mut [0; 8]), NOT_READ);
        stream
    })
    .await;
    assert_eq!(begun.elapsed().as_secs(), 5);
    // What comes later is there, within a limit of its own.
    let read = tokio::spawn(run_in_fiber(move || {
        let mut buffer = [0; 5];
        stream.read_exact(&mut buffer).map(|()| buffer)
    }));
    sleep(LESS).await;
    there.write_all(b"hello").await.unwrap();
    assert_eq!(&read.await.unwrap().unwrap(), b"hello");
}

#[tokio::test(start_paused = true)]
async fn each_byte_that_comes_begins_it_anew() {
    let (here, mut there) = duplex(16);
    let begun = Instant::now();
    let read = tokio::spawn(run_in_fiber(move || {
        let mut stream = limited(here);
        let mut exact = [0; 10];
        stream.read_exact(&mut exact).unwrap();
        let mut rest = exact.to_vec();
        assert_timed_out(stream.read_to_end(&mut rest), NOT_READ);
        rest
    }));
    for byte in 0..20 {
        sleep(LESS).await;
        there.write_all(&[byte]).await.unwrap();
    }
    assert_eq!(read.await.unwrap(), (0..20).collect::<Vec<u8>>());
    assert_eq!(begun.elapsed().as_secs(), 20 * 4 + 5);
}

#[tokio::test(start_paused = true)]
async fn each_byte_that_is_taken_begins_it_anew() {
    let (here, mut there) = duplex(1);
    let begun = Instant::now();
    let written = tokio::spawn(run_in_fiber(move || {
        let mut stream = limited(here);
        let all = stream.write_all(b"0123456789");
        assert_timed_out(stream.write_all(b"0123456789"), NOT_WRITTEN);
        (all, stream)
    }));
    let mut taken = Vec::new();
    for _ in 0..12 {
        sleep(LESS).await;
        taken.push(timeout(LIMIT * 10, there.read_u8()).await.expect("no more comes").unwrap());
    }
    let (all, _stream) = written.await.unwrap();
    all.unwrap();
    assert_eq!(taken, b"012345678901");
    assert_eq!(begun.elapsed().as_secs(), 12 * 4 + 5);
}

#[tokio::test(start_paused = true)]
async fn buffers_have_that_of_reads_and_flushes_that_of_writes() {
    let (here, _there) = duplex(1);
    let stuck = tokio_test::io::Builder::new().wait(Duration::from_secs(60)).write(b"x").build();
    run_in_fiber(move || {
        let mut lines = FiberIo::new(BufReader::new(here));
        lines.set_read_timeout(Some(LIMIT)).unwrap();
        assert_timed_out(lines.fill_buf().map(<[u8]>::len), NOT_READ);
        assert_timed_out(lines.read_line(&mut String::new()), NOT_READ);

        let mut stream = FiberIo::new(tokio::io::BufWriter::new(stuck));
        stream.set_write_timeout(Some(LIMIT)).unwrap();
        stream.write_all(b"x").unwrap();
        assert_timed_out(stream.flush(), NOT_WRITTEN);
        assert_timed_out(stream.shutdown_write(), NOT_WRITTEN);
        stream.set_write_timeout(None).unwrap();
        stream.flush().unwrap();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn one_direction_has_none_of_the_other() {
    let (here, mut there) = duplex(1);
    let waited = tokio::spawn(run_in_fiber(move || {
        let mut stream = FiberIo::new(here);
        stream.set_write_timeout(Some(LIMIT)).unwrap();
        stream.read_exact(&mut [0; 1]).unwrap();
        stream.set_write_timeout(None).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream.write_all(b"123").unwrap();
    }));
    sleep(LIMIT * 10).await;
    there.write_all(b"x").await.unwrap();
    sleep(LIMIT * 10).await;
    there.read_exact(&mut [0; 3]).await.unwrap();
    waited.await.unwrap();
}

#[test]
fn zero_is_refused_and_settings_are_told() {
    let mut stream = FiberIo::new(());
    for refused in [stream.set_read_timeout(Some(Duration::ZERO)), stream.set_write_timeout(Some(Duration::ZERO))] {
        let error = refused.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("`None`"), "{error}");
    }
    assert_eq!((stream.read_timeout().unwrap(), stream.write_timeout().unwrap()), (None, None));
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream.set_write_timeout(Some(LESS)).unwrap();
    assert_eq!((stream.read_timeout().unwrap(), stream.write_timeout().unwrap()), (Some(LIMIT), Some(LESS)));
}

#[tokio::test(start_paused = true)]
async fn on_a_worker_they_are_those_of_the_callers_runtime() {
    let layer = FiberLayer::new().placement(Placement::SharedPool);
    let (here, _there) = duplex(1);
    let begun = Instant::now();
    layer.run(move || assert_timed_out(limited(here).read(&mut [0]), NOT_READ)).await;
    assert_eq!(begun.elapsed().as_secs(), 5);
}

#[test]
fn they_work_where_the_thread_may_block() {
    let (here, _there) = duplex(1);
    block_on_waits(|| {
        let mut stream = FiberIo::new(here);
        stream.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        assert_timed_out(stream.read(&mut [0]), "nothing was read within the read time-out of 1ms");
    });
}

#[tokio::test(start_paused = true)]
async fn a_cancel_is_no_time_out() {
    let layer = FiberLayer::new().on_drop(OnDrop::Cancel);
    let (here, _there) = duplex(1);
    let (report, reported) = oneshot::channel();
    let mut call = Box::pin(layer.run(move || report.send(limited(here).read(&mut [0]).unwrap_err()).unwrap()));
    assert!(poll_once(&mut call).await.is_none());
    sleep(LESS).await;
    drop(call);
    assert_eq!(reported.await.unwrap().kind(), ErrorKind::ConnectionAborted);
    layer.handle().drained().await;
}

fn assert_no_timers(error: &io::Error) {
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("`enable_time`"), "{error}");
}

#[test]
fn without_timers_it_says_what_to_do() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (here, mut there) = duplex(16);
    let stream = runtime.block_on(async {
        there.write_all(b"x").await.unwrap();
        run_in_fiber(move || {
            let mut stream = limited(here);
            // What is ready needs none.
            stream.read_exact(&mut [0]).unwrap();
            assert_no_timers(&stream.read(&mut [0]).unwrap_err());
            stream
        })
        .await
    });
    // Nor is there one without a runtime.
    let mut call = pin!(run_local(move || {
        let mut stream = stream;
        assert_no_timers(&stream.read(&mut [0]).unwrap_err());
    }));
    assert_eq!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(()));
}

#[test]
fn without_timers_a_destructor_of_a_panic_gets_the_usual_error() {
    struct Late(Option<oneshot::Sender<io::Error>>, FiberIo<DuplexStream>);

    impl Drop for Late {
        fn drop(&mut self) {
            let error = self.1.write_all(b"xx").unwrap_err();
            self.0.take().unwrap().send(error).unwrap();
        }
    }

    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (here, _there) = duplex(1);
    let (report, reported) = oneshot::channel();
    runtime.block_on(run_in_fiber(move || {
        let caught = catch_unwind(AssertUnwindSafe(|| {
            let _late = Late(Some(report), limited(here));
            resume_unwind(Box::new("expected"));
        }));
        assert!(caught.is_err());
    }));
    let error = runtime.block_on(reported).unwrap();
    assert_eq!(error.kind(), ErrorKind::ConnectionAborted);
    assert!(error.to_string().contains("panicking"), "{error}");
}
