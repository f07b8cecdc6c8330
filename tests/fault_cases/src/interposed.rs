//! Interposed calls where nothing may suspend, which unsafe code gets to: handlers of signals, code that blocks signals, children
//! before `exec`; and calls of C code by the names that fortified headers give them.

use std::{
    io::{self, PipeReader, PipeWriter, Write as _, pipe},
    mem,
    os::{
        fd::{AsRawFd as _, RawFd},
        unix::process::CommandExt as _,
    },
    process::Command,
    ptr,
    sync::atomic::{AtomicI32, Ordering},
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::runtime::Builder;
use tower_fiber::{
    FiberLayer,
    interpose::{self, CallCount},
};

unsafe extern "C" {
    safe fn calls_of_fortified_code(pipe: libc::c_int, socket: libc::c_int) -> libc::c_int;
}

pub(crate) fn run(name: &str) {
    match name {
        "in a handler" => assert_eq!(suspended_in(in_a_handler), 0),
        "with signals blocked" => assert_eq!(suspended_in(with_signals_blocked), 0),
        "before exec" => _ = suspended_in(before_exec),
        "fortified" => assert_eq!(suspended_in(fortified), 3),
        other => panic!("no such case: {other}"),
    }
}

/// How many calls have suspended the fiber that runs `f`, after it has made one that might.
fn suspended_in(f: fn()) -> u64 {
    let layer = FiberLayer::builder().interpose().build().unwrap();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(layer.run(move || {
        // Where the usual state of the thread becomes known.
        let (reader, mut writer) = pipe().unwrap();
        writer.write_all(b"x").unwrap();
        read(reader.as_raw_fd());
        f();
    }));
    layer.handle().counters().interposed_waits
}

/// A pipe into which a byte comes after some time.
fn late() -> (PipeReader, JoinHandle<PipeWriter>) {
    let (reader, mut writer) = pipe().unwrap();
    let wrote = thread::spawn(move || {
        thread::sleep(Duration::from_millis(30));
        writer.write_all(b"x").unwrap();
        writer
    });
    (reader, wrote)
}

fn read(fd: RawFd) {
    let mut byte = 0_u8;
    // SAFETY: it writes one byte.
    let len = unsafe { libc::read(fd, (&raw mut byte).cast(), 1) };
    assert_eq!((len, byte), (1, b'x'));
}

fn in_a_handler() {
    static PIPE: AtomicI32 = AtomicI32::new(-1);

    extern "C" fn handle(_: libc::c_int) {
        read(PIPE.load(Ordering::Relaxed));
    }

    let (reader, wrote) = late();
    PIPE.store(reader.as_raw_fd(), Ordering::Relaxed);
    // SAFETY: all zeros are no flags and an empty mask.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    action.sa_sigaction = handle as extern "C" fn(libc::c_int) as usize;
    // SAFETY: the handler makes a call that is allowed there.
    assert_eq!(unsafe { libc::sigaction(libc::SIGUSR1, &raw const action, ptr::null_mut()) }, 0);
    // SAFETY: there is a handler.
    assert_eq!(unsafe { libc::raise(libc::SIGUSR1) }, 0);
    wrote.join().unwrap();
}

fn with_signals_blocked() {
    let (reader, wrote) = late();
    // SAFETY: all zeros are an empty set.
    let mut set: libc::sigset_t = unsafe { mem::zeroed() };
    // SAFETY: it changes the set.
    unsafe { libc::sigaddset(&raw mut set, libc::SIGPIPE) };
    // SAFETY: it changes this thread's mask only.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, ptr::null_mut()) };
    read(reader.as_raw_fd());
    // SAFETY: as above.
    unsafe { libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const set, ptr::null_mut()) };
    wrote.join().unwrap();
}

fn before_exec() {
    let (reader, wrote) = late();
    let fd = reader.as_raw_fd();
    let mut command = Command::new("true");
    // SAFETY: the child makes a call that is allowed there.
    unsafe {
        command.pre_exec(move || {
            let before = interpose::calls();
            read(fd);
            let suspended = |calls: &[CallCount]| calls.iter().map(|call| call.suspended).sum::<u64>();
            if suspended(&before) == suspended(&interpose::calls()) {
                Ok(())
            } else {
                Err(io::Error::other("suspended"))
            }
        })
    };
    assert!(command.status().unwrap().success());
    wrote.join().unwrap();
}

fn fortified() {
    let (reader, wrote) = late();
    let (mut there, here) = std::os::unix::net::UnixStream::pair().unwrap();
    let answered = thread::spawn(move || {
        thread::sleep(Duration::from_millis(60));
        there.write_all(b"x").unwrap();
        thread::sleep(Duration::from_millis(30));
        there.write_all(b"x").unwrap();
    });
    assert_eq!(calls_of_fortified_code(reader.as_raw_fd(), here.as_raw_fd()), 3);
    wrote.join().unwrap();
    answered.join().unwrap();
}
