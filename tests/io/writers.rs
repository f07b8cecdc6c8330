//! Writers that write when they are dropped, over a stream that is not ready: an error there, and no abort.

#![cfg(feature = "io")]

use std::{
    io::{self, BufWriter, ErrorKind, Write},
    panic::resume_unwind,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use tokio::io::AsyncWrite;
use tower_fiber::{FiberLayer, OnDrop, WaitExt as _, io::FiberIo, try_await_in_fiber};

use crate::support::{both, poll_once, until};

/// Never ready, as a client that does not read.
struct Stuck;

impl AsyncWrite for Stuck {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Pending
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

/// Notes the errors that the writers get.
struct Noted<W>(W, Arc<Mutex<Vec<ErrorKind>>>);

impl<W: Write> Write for Noted<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.0.write(buffer).inspect_err(|error| self.1.lock().unwrap().push(error.kind()))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().inspect_err(|error| self.1.lock().unwrap().push(error.kind()))
    }
}

/// Each writer holds something that it writes when it is dropped, which happens when `end` unwinds or returns.
fn each_writer(errors: &Arc<Mutex<Vec<ErrorKind>>>, end: impl FnOnce()) {
    let stuck = || Noted(FiberIo::new(Stuck), Arc::clone(errors));
    let _gzip = flate2::write::GzEncoder::new(stuck(), flate2::Compression::fast());
    let _archive = tar::Builder::new(stuck());
    let mut table = csv::Writer::from_writer(stuck());
    table.write_record(["a", "b"]).unwrap();
    let mut buffered = BufWriter::new(stuck());
    buffered.write_all(b"rows").unwrap();
    end();
}

#[test]
fn cancel_and_unwind_a_locals_drop_waits_through_fiber_io() {
    crate::child::passes("writers::cancel_and_unwind_a_locals_drop_waits_through_fiber_io", || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for policy in [OnDrop::Cancel, OnDrop::Unwind] {
            for layer in both(FiberLayer::builder().on_drop(policy)) {
                let errors = Arc::default();
                let noted = Arc::clone(&errors);
                runtime.block_on(async {
                    let mut call = Box::pin(layer.run(move || {
                        each_writer(&noted, || {
                            // Under Unwind it gets no further than the second.
                            _ = try_await_in_fiber(std::future::pending::<()>());
                            tokio::task::yield_now().wait();
                        });
                    }));
                    assert!(poll_once(&mut call).await.is_none());
                    until(|| layer.handle().live() == 1).await;
                    drop(call);
                    layer.handle().drained().await;
                    assert_eq!(layer.run(|| async { 1 }.wait()).await, 1);
                });
                check(&errors);
                assert_eq!(layer.handle().counters().leaked, 0);
            }
        }
    });
}

#[test]
fn a_destructor_waits_by_fiber_io_while_its_handler_panics() {
    crate::child::passes("writers::a_destructor_waits_by_fiber_io_while_its_handler_panics", || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for layer in both(FiberLayer::builder()) {
            let errors = Arc::default();
            let noted = Arc::clone(&errors);
            runtime.block_on(async {
                let call = layer.run(move || each_writer(&noted, || resume_unwind(Box::new("expected"))));
                assert!(tokio::spawn(call).await.unwrap_err().is_panic());
                assert!(!layer.run(std::thread::panicking).await);
            });
            check(&errors);
        }
    });
}

fn check(errors: &Mutex<Vec<ErrorKind>>) {
    let errors = errors.lock().unwrap();
    assert!(errors.len() >= 4, "each of the four writers has tried: {errors:?}");
    assert!(errors.iter().all(|&kind| kind == ErrorKind::ConnectionAborted), "{errors:?}");
}
