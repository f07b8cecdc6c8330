//! Fifty callers on one thread take the time of one.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    os::unix::net::UnixStream,
    process::Command,
    sync::{Arc, Condvar, Mutex, OnceLock, RwLock},
    thread,
    time::Duration,
};

use super::{both, fifty};
use crate::support::on_each_runtime;

const TIME: Duration = Duration::from_millis(100);

fn each(f: impl Fn(usize) + Clone + Send + 'static) {
    each_for(TIME, f);
}

fn each_for(time: Duration, f: impl Fn(usize) + Clone + Send + 'static) {
    on_each_runtime(move || {
        let f = f.clone();
        async move {
            for layer in both() {
                fifty(&layer, time, f.clone()).await;
                assert!(layer.handle().counters().interposed_waits >= 50);
            }
        }
    });
}

#[test]
fn sleep() {
    each(|_| thread::sleep(TIME));
}

/// A server that answers each connection after some time.
fn slow_server() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || {
                let mut asked = [0; 4];
                while stream.read_exact(&mut asked).is_ok() {
                    thread::sleep(TIME);
                    stream.write_all(&asked).unwrap();
                }
            });
        }
    });
    address
}

#[test]
fn tcp() {
    let server = slow_server();
    each(move |index| {
        let mut stream = TcpStream::connect(server).unwrap();
        let asked = (index as u32).to_le_bytes();
        stream.write_all(&asked).unwrap();
        let mut answer = [0; 4];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(answer, asked);
    });
}

#[test]
fn socket_pairs() {
    each(|_| {
        let (mut here, mut there) = UnixStream::pair().unwrap();
        thread::spawn(move || {
            thread::sleep(TIME);
            there.write_all(b"x").unwrap();
        });
        here.read_exact(&mut [0]).unwrap();
    });
}

#[test]
fn children() {
    // To start a child stops the thread for some milliseconds.
    each_for(Duration::from_millis(400), |_| {
        let output = Command::new("sh").args(["-c", "sleep 0.4; echo done"]).output().unwrap();
        assert_eq!(output.stdout, b"done\n");
    });
}

#[test]
fn children_of_a_fiber() {
    each(|_| _ = tower_fiber::join(|| thread::sleep(TIME), || thread::sleep(TIME)));
}

#[test]
fn read_write_lock_and_once() {
    let lock = Arc::new(RwLock::new(0));
    let once = Arc::new(OnceLock::new());
    each(move |index| {
        if index == 0 {
            let mut held = lock.write().unwrap();
            thread::sleep(TIME);
            *held += 1;
        }
        assert!(*lock.read().unwrap() <= 8, "four runtimes, two layers");
        once.get_or_init(|| thread::sleep(TIME));
        thread::sleep(TIME / 2);
    });
}

#[test]
fn mutex() {
    let mutex = Arc::new(Mutex::new(0));
    on_each_runtime(move || {
        let mutex = Arc::clone(&mutex);
        async move {
            for layer in both() {
                let mutex = Arc::clone(&mutex);
                fifty(&layer, Duration::from_millis(50), move |_| {
                    let mut held = mutex.lock().unwrap();
                    thread::sleep(Duration::from_millis(1));
                    *held += 1;
                })
                .await;
            }
        }
    });
}

#[test]
fn condvar() {
    each(|_| {
        let pair = Arc::new((Mutex::new(false), Condvar::new()));
        let other = Arc::clone(&pair);
        thread::spawn(move || {
            thread::sleep(TIME);
            *other.0.lock().unwrap() = true;
            other.1.notify_all();
        });
        let mut ready = pair.0.lock().unwrap();
        while !*ready {
            ready = pair.1.wait(ready).unwrap();
        }
    });
}
