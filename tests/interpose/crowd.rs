//! Fifty callers on one thread wait at the same time: what they wait for comes only when all of them do.

use std::{
    io::{Read as _, Write as _, pipe},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::net::UnixStream,
    process::{Command, Stdio},
    sync::{Arc, Condvar, Mutex, OnceLock, RwLock},
    thread,
    time::Duration,
};

use futures_util::future::join_all;
use tokio::runtime::Builder;
use tower_fiber::{FiberLayer, join};

use super::{both, when_waiting};
use crate::support::{on_each_runtime, until};

const CALLERS: u64 = 50;

/// Runs a test on each runtime, with fibers in place and on a pool.
fn each<F: Future<Output = ()>>(test: impl Fn(FiberLayer) -> F + Clone + 'static) {
    on_each_runtime(move || {
        let test = test.clone();
        async move {
            for layer in both() {
                test(layer).await;
            }
        }
    });
}

/// Runs as many calls at once.
async fn fifty(layer: &FiberLayer, f: impl Fn(usize) + Clone + Send + 'static) {
    join_all((0..CALLERS as usize).map(|index| {
        let f = f.clone();
        layer.run(move || f(index))
    }))
    .await;
}

/// The clock goes on by itself when all wait; a thread that really slept would do so for an hour.
#[test]
fn sleep() {
    const HOUR: Duration = Duration::from_secs(3600);

    let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        for layer in both() {
            let begun = tokio::time::Instant::now();
            fifty(&layer, |_| thread::sleep(HOUR)).await;
            layer.run(|| join(|| thread::sleep(HOUR), || thread::sleep(HOUR))).await;
            assert!(begun.elapsed() >= 2 * HOUR && begun.elapsed() < 3 * HOUR, "{:?}", begun.elapsed());
            assert_eq!(layer.handle().counters().interposed_waits, CALLERS + 2);
        }
    });
}

/// A server that answers when all have asked.
fn server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let mut asked: Vec<_> = (0..CALLERS)
            .map(|_| {
                let (mut stream, _) = listener.accept().unwrap();
                let mut question = [0; 4];
                stream.read_exact(&mut question).unwrap();
                (stream, question)
            })
            .collect();
        asked.iter_mut().for_each(|(stream, question)| stream.write_all(question).unwrap());
    });
    address
}

#[test]
fn tcp() {
    each(|layer| async move {
        let server = server();
        fifty(&layer, move |index| {
            let mut stream = TcpStream::connect(server).unwrap();
            let question = (index as u32).to_le_bytes();
            stream.write_all(&question).unwrap();
            let mut answer = [0; 4];
            stream.read_exact(&mut answer).unwrap();
            assert_eq!(answer, question);
        })
        .await;
    });
}

#[test]
fn socket_pairs() {
    each(|layer| async move {
        let (here, there): (Vec<_>, Vec<_>) = (0..CALLERS).map(|_| UnixStream::pair().unwrap()).unzip();
        let here = Arc::new(here);
        let written = when_waiting(&layer, CALLERS, move || {
            there.into_iter().for_each(|mut there| there.write_all(b"x").unwrap());
        });
        fifty(&layer, move |index| (&here[index]).read_exact(&mut [0]).unwrap()).await;
        written.join().unwrap();
    });
}

/// Children that end when the other end of their standard input is closed.
#[test]
fn children() {
    each(|layer| async move {
        let (input, close) = pipe().unwrap();
        let input = Arc::new(input);
        // Each waits for what its child says, or for its end.
        let closed = when_waiting(&layer, CALLERS, move || drop(close));
        fifty(&layer, move |_| {
            let mut command = Command::new("sh");
            command.args(["-c", "cat; echo done"]).stdin(Stdio::from(input.try_clone().unwrap()));
            assert_eq!(command.output().unwrap().stdout, b"done\n");
        })
        .await;
        closed.join().unwrap();
    });
}

/// A byte that comes when so many calls wait.
fn byte_after(layer: &FiberLayer, calls: u64) -> Arc<UnixStream> {
    let (here, mut there) = UnixStream::pair().unwrap();
    when_waiting(layer, calls, move || there.write_all(b"x").unwrap());
    Arc::new(here)
}

#[test]
fn mutex() {
    each(|layer| async move {
        // The first has the mutex and waits for the byte, the others wait for the mutex.
        let byte = byte_after(&layer, CALLERS);
        let mutex = Arc::new(Mutex::new(0));
        let all = Arc::clone(&mutex);
        fifty(&layer, move |_| {
            let mut held = mutex.lock().unwrap();
            if *held == 0 {
                (&*byte).read_exact(&mut [0]).unwrap();
            }
            *held += 1;
        })
        .await;
        assert_eq!(*all.lock().unwrap(), CALLERS);
    });
}

#[test]
fn read_write_lock() {
    each(|layer| async move {
        let byte = byte_after(&layer, CALLERS + 1);
        let lock = Arc::new(RwLock::new(false));
        let writer = Arc::clone(&lock);
        let written = tokio::spawn(layer.run(move || {
            let mut held = writer.write().unwrap();
            (&*byte).read_exact(&mut [0]).unwrap();
            *held = true;
        }));
        until(|| layer.handle().counters().interposed_waits == 1).await;
        fifty(&layer, move |_| assert!(*lock.read().unwrap(), "the writer has it until it has written")).await;
        written.await.unwrap();
    });
}

/// Of std's lock, whose value is then that with which a thread parks.
#[test]
fn read_write_lock_of_readers_and_writers() {
    each(|layer| async move {
        let byte = byte_after(&layer, CALLERS + 1);
        let lock = Arc::new(RwLock::new(0));
        let writer = Arc::clone(&lock);
        let written = tokio::spawn(layer.run(move || {
            let mut held = writer.write().unwrap();
            (&*byte).read_exact(&mut [0]).unwrap();
            *held += 1;
        }));
        until(|| layer.handle().counters().interposed_waits == 1).await;
        let shared = Arc::clone(&lock);
        let reads_or_writes = move |index| {
            if index % 2 == 0 {
                *shared.write().unwrap() += 1;
            } else {
                assert!(*shared.read().unwrap() > 0, "the first has it until it has written");
            }
        };
        fifty(&layer, reads_or_writes).await;
        written.await.unwrap();
        assert_eq!(*lock.read().unwrap(), 1 + CALLERS / 2);
    });
}

#[test]
fn once() {
    each(|layer| async move {
        let byte = byte_after(&layer, CALLERS);
        let once = Arc::new(OnceLock::new());
        fifty(&layer, move |_| {
            once.get_or_init(|| (&*byte).read_exact(&mut [0]).unwrap());
        })
        .await;
    });
}

#[test]
fn condvar() {
    each(|layer| async move {
        let pair = Arc::new((Mutex::new(false), Condvar::new()));
        let other = Arc::clone(&pair);
        let told = when_waiting(&layer, CALLERS, move || {
            *other.0.lock().unwrap() = true;
            other.1.notify_all();
        });
        fifty(&layer, move |_| drop(pair.1.wait_while(pair.0.lock().unwrap(), |ready| !*ready).unwrap())).await;
        told.join().unwrap();
    });
}

/// Also from the second wait on, which does not begin as a thread's.
#[test]
fn a_condvar_that_nobody_signals_waits_for_its_whole_limit() {
    each(|layer| async move {
        layer
            .run(|| {
                let (mutex, condvar) = (Mutex::new(()), Condvar::new());
                for _ in 0..3 {
                    const LIMIT: Duration = Duration::from_millis(5);
                    let begun = std::time::Instant::now();
                    let (_guard, waited) = condvar.wait_timeout_while(mutex.lock().unwrap(), LIMIT, |()| true).unwrap();
                    assert!(waited.timed_out() && begun.elapsed() >= LIMIT, "{:?}", begun.elapsed());
                }
            })
            .await;
        assert_eq!(layer.handle().counters().interposed_waits, 3);
    });
}
