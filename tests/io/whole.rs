//! std's whole operations over `FiberIo`: short reads and writes, ends and errors at every position, and what is left
//! after them.

#![cfg(feature = "io")]

use std::{
    future::Future as _,
    io::{self, BufRead as _, BufReader, BufWriter, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf, duplex},
    sync::oneshot,
    task::yield_now,
};
use tokio_test::io::Builder;
use tower_fiber::{FiberLayer, OnDrop, io::FiberIo, run_in_fiber};

use crate::support::{both, poll_once, until};

const TEXT: &[u8] = b"to be or not";
const PAUSE: Duration = Duration::from_secs(1);

fn broken() -> io::Error {
    io::Error::new(ErrorKind::ConnectionReset, "the cable was pulled")
}

/// `TEXT` up to `at` in pieces of five, with pauses.
fn read_until(at: usize) -> Builder {
    let mut stream = Builder::new();
    for piece in TEXT[..at].chunks(5) {
        stream.read(piece).wait(PAUSE);
    }
    stream
}

fn written_until(at: usize) -> Builder {
    let mut stream = Builder::new();
    for piece in TEXT[..at].chunks(5) {
        stream.write(piece).wait(PAUSE);
    }
    stream
}

#[tokio::test(start_paused = true)]
async fn a_read_breaks_at_every_position() {
    for at in 0..=TEXT.len() {
        // `read_exact` of one byte more than there is.
        let stream = read_until(at).read_error(broken()).read(b"later").build();
        run_in_fiber(move || {
            let mut stream = FiberIo::new(stream);
            let mut buffer = [0; TEXT.len() + 1];
            assert_eq!(stream.read_exact(&mut buffer).unwrap_err().to_string(), "the cable was pulled");
            assert_eq!(buffer[..at], TEXT[..at]);
            // The stream goes on behind it.
            stream.read_exact(&mut buffer[..5]).unwrap();
            assert_eq!(&buffer[..5], b"later");
            let mut bytes = Vec::new();
            assert_eq!(stream.read_to_end(&mut bytes).unwrap(), 0);
        })
        .await;

        let [to_bytes, to_text] = [(); 2].map(|()| read_until(at).read_error(broken()).build());
        run_in_fiber(move || {
            let mut bytes = b"kept ".to_vec();
            let error = FiberIo::new(to_bytes).read_to_end(&mut bytes).unwrap_err();
            assert_eq!((error.kind(), bytes.strip_prefix(b"kept ")), (ErrorKind::ConnectionReset, Some(&TEXT[..at])));
            let mut text = "kept ".to_owned();
            let mut stream = FiberIo::new(to_text);
            let read = stream.read_to_string(&mut text);
            assert_eq!((text.as_bytes(), read.map_err(|error| error.kind())), (&bytes[..], Err(error.kind())));
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_at_every_position() {
    for at in 0..=TEXT.len() {
        let (exact, whole) = (read_until(at).build(), read_until(at).build());
        run_in_fiber(move || {
            let mut buffer = [0; TEXT.len() + 1];
            let error = FiberIo::new(exact).read_exact(&mut buffer).unwrap_err();
            assert_eq!((error.kind(), &buffer[..at]), (ErrorKind::UnexpectedEof, &TEXT[..at]));
            let mut text = "kept ".to_owned();
            assert_eq!(FiberIo::new(whole).read_to_string(&mut text).unwrap(), at);
            assert_eq!(text.strip_prefix("kept ").unwrap().as_bytes(), &TEXT[..at]);
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_breaks_at_every_position() {
    for at in 0..TEXT.len() {
        let stream = written_until(at).write_error(broken()).write(b"later").build();
        run_in_fiber(move || {
            let mut stream = FiberIo::new(stream);
            assert_eq!(stream.write_all(TEXT).unwrap_err().kind(), ErrorKind::ConnectionReset);
            stream.write_all(b"later").unwrap();
        })
        .await;
    }
    let whole = written_until(TEXT.len()).build();
    run_in_fiber(move || FiberIo::new(whole).write_all(TEXT).unwrap()).await;
}

#[test]
fn what_is_not_text_is_not_added() {
    let read = |before: &str, bytes: &'static [u8]| {
        let mut text = before.to_owned();
        let read = tower_fiber::block_on_waits(|| FiberIo::new(bytes).read_to_string(&mut text));
        (read.map_err(|error| error.kind()), text)
    };
    assert_eq!(read("", b"ab\xff"), (Err(ErrorKind::InvalidData), String::new()));
    assert_eq!(read("before", b"ab\xff"), (Err(ErrorKind::InvalidData), "before".to_owned()));
    assert_eq!(read("before ", "änd".as_bytes()), (Ok(4), "before änd".to_owned()));
}

/// Half a mebibyte through pipes of several sizes, in pieces that do not fit.
#[test]
fn any_pieces_through_any_pipe() {
    let current = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let several = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    for runtime in [current, several] {
        for (pipe, bytes) in [(1, 3_000), (7, 20_000), (4096, 512 * 1024), (1 << 20, 512 * 1024)] {
            let (here, there) = duplex(pipe);
            let sent: Vec<u8> = (0..bytes).map(|n: u32| (n.wrapping_mul(n) >> 3) as u8).collect();
            let expected = sent.clone();
            let write = run_in_fiber(move || {
                let mut stream = BufWriter::with_capacity(100, FiberIo::new(here));
                for piece in sent.chunks(1009) {
                    stream.write_all(piece).unwrap();
                }
                stream.flush().unwrap();
                stream.get_mut().shutdown_write().unwrap();
            });
            let read = run_in_fiber(move || {
                let mut stream = FiberIo::new(there);
                let mut first = vec![0; 1000];
                stream.read_exact(&mut first).unwrap();
                stream.read_to_end(&mut first).unwrap();
                first
            });
            let (read, ()) = runtime.block_on(async { tokio::join!(tokio::spawn(read), write) });
            assert!(read.unwrap() == expected, "through a pipe of {pipe}");
        }
    }
}

/// Gives and takes at most `at_once` bytes at a time, without waiting.
struct Ready {
    left: usize,
    at_once: usize,
}

impl Ready {
    fn new(left: usize, at_once: usize) -> Self {
        Self { left, at_once }
    }
}

impl AsyncRead for Ready {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = self.left.min(self.at_once).min(buffer.remaining());
        buffer.put_slice(&vec![7; read]);
        self.left -= read;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Ready {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = self.left.min(self.at_once).min(bytes.len());
        self.left -= written;
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn read_to_end_takes_room_for_what_has_come() {
    let read = |bytes: usize, at_once, mut into: Vec<u8>| {
        let stream = Ready::new(bytes, at_once);
        let before = into.len();
        run_in_fiber(move || {
            assert_eq!(FiberIo::new(stream).read_to_end(&mut into).unwrap(), bytes);
            assert_eq!(into.len(), before + bytes);
            assert!(into[before..].iter().all(|&byte| byte == 7));
            into.capacity()
        })
    };
    for at_once in [1, 1000, 1 << 20] {
        let capacity = read(3_000_000, at_once, Vec::new()).await;
        assert!(capacity <= 6_000_064, "{capacity}");
    }
    // Exactly enough room does not grow only to find the end.
    assert_eq!(read(1000, 300, Vec::with_capacity(1000)).await, 1000);
    assert_eq!(read(0, 1, Vec::new()).await, 0);
}

#[tokio::test]
async fn what_is_always_ready_starves_nobody() {
    let turns = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&turns);
    let other = tokio::spawn(async move {
        loop {
            counted.fetch_add(1, Ordering::Relaxed);
            yield_now().await;
        }
    });
    for (read, least) in [(true, 70), (false, 70)] {
        let before = turns.load(Ordering::Relaxed);
        run_in_fiber(move || {
            let mut stream = FiberIo::new(Ready::new(10_000, 1));
            match read {
                true => stream.read_exact(&mut [0; 10_000]).unwrap(),
                false => stream.write_all(&[0; 10_000]).unwrap(),
            }
        })
        .await;
        let taken = turns.load(Ordering::Relaxed) - before;
        assert!(taken >= least, "{taken} turns");
    }
    other.abort();
}

#[tokio::test]
async fn a_cancel_reaches_an_endless_operation() {
    let layer = FiberLayer::new().on_drop(OnDrop::Cancel);
    let (report, reported) = oneshot::channel();
    let mut call = Box::pin(layer.run(move || {
        let mut sink = io::sink();
        let mut stream = FiberIo::new(Ready::new(usize::MAX, 1));
        report.send((io::copy(&mut stream, &mut sink).unwrap_err(), stream.read(&mut [0]).unwrap_err())).unwrap();
    }));
    assert!(poll_once(&mut call).await.is_none());
    drop(call);
    let (error, later) = reported.await.unwrap();
    assert_eq!((error.kind(), later.kind()), (ErrorKind::ConnectionAborted, ErrorKind::ConnectionAborted));
    layer.handle().drained().await;
    assert_eq!(layer.handle().counters().leaked, 0);
}

#[tokio::test]
async fn a_cancel_in_the_middle_leaves_what_has_come() {
    for policy in [OnDrop::Cancel, OnDrop::Unwind] {
        for layer in both(FiberLayer::builder().on_drop(policy)) {
            let (here, mut there) = duplex(64);
            let (report, reported) = oneshot::channel();
            let mut call = Box::pin(layer.run(move || {
                let mut bytes = Vec::new();
                let mut stream = FiberIo::new(here);
                let error = stream.read_to_end(&mut bytes).unwrap_err();
                report.send((error, bytes, stream.into_inner())).unwrap();
            }));
            assert!(poll_once(&mut call).await.is_none());
            until(|| layer.handle().live() == 1).await;
            there.write_all(TEXT).await.unwrap();
            for _ in 0..20 {
                assert!(poll_once(&mut call).await.is_none());
                yield_now().await;
            }
            drop(call);
            let (error, mut bytes, here) = reported.await.unwrap();
            assert_eq!(error.kind(), ErrorKind::ConnectionAborted);
            assert!(error.to_string().contains("cancelled"), "{error}");
            // On a worker it may not have read by then; then it is still in the stream.
            drop(there);
            bytes.extend(
                run_in_fiber(|| BufReader::new(FiberIo::new(here)).bytes().collect::<io::Result<Vec<_>>>().unwrap())
                    .await,
            );
            assert_eq!(bytes, TEXT);
            layer.handle().drained().await;
        }
    }
}

/// Nothing waits, so nothing is refused: also not the yield that is due after many steps.
#[tokio::test]
async fn what_is_ready_is_written_while_the_thread_panics() {
    struct Last(Arc<AtomicBool>);

    impl Drop for Last {
        fn drop(&mut self) {
            FiberIo::new(Ready::new(10_000, 1)).write_all(&[0; 10_000]).unwrap();
            self.0.store(true, Ordering::Relaxed);
        }
    }

    let is_written = Arc::<AtomicBool>::default();
    let last = Last(Arc::clone(&is_written));
    run_in_fiber(move || {
        let caught = catch_unwind(AssertUnwindSafe(|| {
            let _last = last;
            resume_unwind(Box::new("expected"));
        }));
        assert!(caught.is_err());
    })
    .await;
    assert!(is_written.load(Ordering::Relaxed));
}

#[tokio::test]
async fn a_panic_of_the_stream_leaves_no_bytes_that_did_not_come() {
    struct Panics(bool);

    impl AsyncRead for Panics {
        fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            assert!(!std::mem::replace(&mut self.0, true), "expected");
            buffer.put_slice(b"half");
            Poll::Ready(Ok(()))
        }
    }

    run_in_fiber(|| {
        let mut bytes = b"first ".to_vec();
        let caught = catch_unwind(AssertUnwindSafe(|| FiberIo::new(Panics(false)).read_to_end(&mut bytes)));
        assert!(caught.is_err());
        assert_eq!(bytes, b"first half");
    })
    .await;
}

#[tokio::test]
async fn what_is_empty_does_not_wait() {
    let (here, _there) = duplex(16);
    let mut call = pin!(run_in_fiber(|| {
        let mut stream = FiberIo::new(here);
        (stream.read(&mut []).unwrap(), stream.read_exact(&mut []).unwrap(), stream.write_all(&[]).unwrap())
    }));
    let polled = std::future::poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx))).await;
    assert_eq!(polled, Poll::Ready((0, (), ())));
}

#[tokio::test]
async fn seeking_and_lines() {
    // Buffered in both directions, as a file is.
    let file = tokio::io::BufStream::new(io::Cursor::new(Vec::new()));
    let (first, rest) = run_in_fiber(move || {
        let mut file = FiberIo::new(file);
        file.write_all(b"first\nsecond\nthird").unwrap();
        assert_eq!(file.seek(SeekFrom::End(0)).unwrap(), 18);
        file.seek(SeekFrom::Start(6)).unwrap();
        assert_eq!(file.seek(SeekFrom::Current(-100)).unwrap_err().kind(), ErrorKind::InvalidInput);
        let rest = (&mut file).lines().collect::<io::Result<Vec<_>>>().unwrap();
        file.rewind().unwrap();
        let mut first = String::new();
        file.read_line(&mut first).unwrap();
        assert_eq!(file.stream_position().unwrap(), 6);
        (first, rest)
    })
    .await;
    assert_eq!(first, "first\n");
    assert_eq!(rest, ["second", "third"]);
}

#[test]
fn the_stream_is_at_hand() {
    let mut stream = FiberIo::new(io::Cursor::new(vec![1]));
    AsMut::<io::Cursor<Vec<u8>>>::as_mut(&mut stream).get_mut().push(2);
    assert_eq!(AsRef::<io::Cursor<Vec<u8>>>::as_ref(&stream).get_ref(), &[1, 2]);
    // Unsized.
    let boxed: Box<FiberIo<dyn AsyncRead + Unpin>> = Box::new(stream);
    let read = tower_fiber::block_on_waits(|| BufReader::new(boxed).bytes().map(Result::unwrap).sum::<u8>());
    assert_eq!(read, 3);
}
