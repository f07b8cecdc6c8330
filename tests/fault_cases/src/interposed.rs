//! Interposed calls where nothing may suspend, which unsafe code gets to: handlers of signals, code that blocks signals, children
//! before `exec`; and calls of C code by the names that fortified headers give them.

use std::{
    io::{self, PipeReader, PipeWriter, Write, pipe},
    mem,
    os::{
        fd::{AsRawFd as _, RawFd},
        unix::{net::UnixStream, process::CommandExt as _},
    },
    process::Command,
    ptr,
    sync::atomic::{AtomicI32, Ordering},
    thread::{self, JoinHandle},
};

use tokio::runtime::Builder;
use tower_fiber::{
    FiberHandle, FiberLayer,
    interpose::{self, CallCount},
};

use crate::system::is_asleep;

unsafe extern "C" {
    safe fn calls_of_fortified_code(pipe: libc::c_int, socket: libc::c_int) -> libc::c_int;
}

pub(crate) fn run(name: &str) {
    match name {
        "in a handler" => assert_eq!(suspended_in(in_a_handler), 0),
        "with signals blocked" => assert_eq!(suspended_in(with_signals_blocked), 0),
        "standard input" => assert_eq!(suspended_in(standard_input), 0),
        "before exec" => _ = suspended_in(before_exec),
        "fortified" => assert_eq!(suspended_in(fortified), 3),
        other => panic!("no such case: {other}"),
    }
}

/// How many calls have suspended the fiber that runs `f`, after it has made one that might.
fn suspended_in(f: fn(&FiberHandle)) -> u64 {
    let layer = FiberLayer::builder().interpose().build().unwrap();
    let handle = layer.handle();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(layer.run(move || {
        // Where the usual state of the thread becomes known.
        let (reader, mut writer) = pipe().unwrap();
        writer.write_all(b"x").unwrap();
        read(reader.as_raw_fd());
        f(&handle);
    }));
    layer.handle().counters().interposed_waits
}

/// Writes a byte as soon as a condition holds.
fn write_when<W: Write + Send + 'static>(mut to: W, condition: impl Fn() -> bool + Send + 'static) -> JoinHandle<W> {
    thread::spawn(move || {
        while !condition() {
            thread::yield_now();
        }
        to.write_all(b"x").unwrap();
        to
    })
}

/// A pipe into which a byte comes when this thread waits.
fn late() -> (PipeReader, JoinHandle<PipeWriter>) {
    let (reader, writer) = pipe().unwrap();
    // SAFETY: it takes nothing and returns a number.
    let thread = unsafe { libc::gettid() };
    (reader, write_when(writer, move || is_asleep(thread)))
}

fn read(fd: RawFd) {
    let mut byte = 0_u8;
    // SAFETY: it writes one byte.
    let len = unsafe { libc::read(fd, (&raw mut byte).cast(), 1) };
    assert_eq!((len, byte), (1, b'x'));
}

fn in_a_handler(_: &FiberHandle) {
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

fn with_signals_blocked(_: &FiberHandle) {
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

fn standard_input(_: &FiberHandle) {
    let (reader, wrote) = late();
    // SAFETY: nobody else uses standard input.
    assert_eq!(unsafe { libc::dup2(reader.as_raw_fd(), 0) }, 0);
    read(0);
    wrote.join().unwrap();
}

fn before_exec(_: &FiberHandle) {
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

fn fortified(handle: &FiberHandle) {
    let after = |calls| {
        let handle = handle.clone();
        move || handle.counters().interposed_waits >= calls
    };
    let (reader, writer) = pipe().unwrap();
    let (there, here) = UnixStream::pair().unwrap();
    let again = there.try_clone().unwrap();
    // `read`, `poll` and the second `recv` wait.
    let written = (write_when(writer, after(1)), write_when(there, after(2)), write_when(again, after(3)));
    assert_eq!(calls_of_fortified_code(reader.as_raw_fd(), here.as_raw_fd()), 3);
    written.0.join().unwrap();
    written.1.join().unwrap();
    written.2.join().unwrap();
}
