//! Interposed calls where nothing may suspend, which unsafe code gets to: handlers of signals, code that blocks
//! signals, children before `exec`; and calls of C code by the names that fortified headers give them.

use std::{
    env,
    ffi::{CStr, CString},
    hint::black_box,
    io::{self, PipeReader, PipeWriter, Read as _, Write, pipe},
    mem,
    os::{
        fd::{AsRawFd as _, RawFd},
        unix::{ffi::OsStrExt as _, net::UnixStream, process::CommandExt as _},
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

use crate::{
    allocator::{Mode, asked_in},
    system::is_asleep,
};

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
        "in a plugin" => in_a_plugin(),
        "in an allocator" => assert_eq!(suspended_in(in_an_allocator), 0),
        "while the bridge allocates" => assert_eq!(suspended_in(while_the_bridge_allocates), 1),
        "unknown" => assert_eq!(suspended_in(unknown), 0),
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

/// A system call that does not exist, as far as the crate knows a new one, and an old one, both through `syscall`.
fn unknown(_: &FiberHandle) {
    // SAFETY: the kernel has no such call.
    let returned = unsafe { libc::syscall(libc::c_long::from(u16::MAX)) };
    assert_eq!((returned, io::Error::last_os_error().raw_os_error()), (-1, Some(libc::ENOSYS)));
    // SAFETY: it takes nothing and returns a number.
    let id = unsafe { libc::syscall(libc::SYS_getpid) };
    assert_eq!(id, i64::from(std::process::id()));
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

/// Its other end answers each byte as soon as this thread waits for the answer.
fn answers_late() -> UnixStream {
    let (here, mut there) = UnixStream::pair().unwrap();
    // SAFETY: it takes nothing and returns a number.
    let thread = unsafe { libc::gettid() };
    thread::spawn(move || {
        let mut asked = [0];
        while there.read_exact(&mut asked).is_ok() {
            while !is_asleep(thread) {
                thread::yield_now();
            }
            there.write_all(&asked).unwrap();
        }
    });
    here
}

/// Sends a byte there, and waits for the answer.
pub(crate) fn ask(fd: RawFd) {
    // SAFETY: it reads one byte.
    assert_eq!(unsafe { libc::write(fd, b"x".as_ptr().cast(), 1) }, 1);
    read(fd);
}

fn in_an_allocator(_: &FiberHandle) {
    let other = answers_late();
    let asked = asked_in(Mode::AsksUnderALock(other.as_raw_fd()), || drop(black_box(Box::new(1))));
    assert_eq!(asked, 1);
}

/// Only the read suspends, and none of the allocator's calls while the crate prepares the wait.
fn while_the_bridge_allocates(handle: &FiberHandle) {
    let (reader, writer) = pipe().unwrap();
    let counters = handle.clone();
    let wrote = write_when(writer, move || counters.counters().interposed_waits > 0);
    let other = answers_late();
    let asked = asked_in(Mode::Asks(other.as_raw_fd()), || read(reader.as_raw_fd()));
    assert!(asked > 0);
    wrote.join().unwrap();
}

/// The program's own layer works, and the plugin's does not, since the calls lead to the program.
fn in_a_plugin() {
    assert!(FiberLayer::builder().interpose().build().is_ok());
    let program = env::current_exe().unwrap();
    let paths = ["libplugin.so", "deps/libplugin.so"].map(|file| program.with_file_name(file));
    let path = paths.iter().find(|path| path.exists()).expect("cargo has built it");
    let path = CString::new(path.as_os_str().as_bytes()).unwrap();
    // SAFETY: the path ends with a zero, and what runs when it is loaded is std's.
    let plugin = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
    assert!(!plugin.is_null());
    // SAFETY: the name ends with a zero, and the plugin stays.
    let function = unsafe { libc::dlsym(plugin, c"plugin_interposes".as_ptr()) };
    assert!(!function.is_null());
    // SAFETY: that is its type.
    let interposes: extern "C" fn() -> *mut libc::c_char = unsafe { mem::transmute(function) };
    // SAFETY: it returns a text that lives until it is freed, which never happens.
    let text = unsafe { CStr::from_ptr(interposes()) }.to_str().unwrap();
    for part in ["these calls lead elsewhere", "recv", "In a plugin"] {
        assert!(text.contains(part), "`{part}` is missing: {text}");
    }
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
