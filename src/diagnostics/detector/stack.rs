//! The functions that a blocked thread is in, in a readable form.

use std::{
    borrow::Cow,
    env, fmt,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use self::Awaited::{Lock, Notice};
use crate::raw::Trace;

/// The first functions on a fiber's stack, one of which the compiler may leave out. The frames below belong to the
/// thread.
const ENTRY: [&str; 2] = ["tower_fiber::raw::entry::", "corosensei::"];

/// Prefixes of the functions between the fiber's first function and the service's own.
const BETWEEN: [&str; 16] = [
    "tower_fiber::",
    "<tower_fiber::",
    "std::panic",
    "core::panic",
    "<core::panic",
    "core::ops::function::",
    "<alloc::boxed::Box<",
    "__rust_try",
    // Inlined functions have no module in a program that has only line tables.
    "entry<",
    "start<",
    "resume<",
    "poll_root<",
    "call_once<",
    "do_call<",
    "catch_unwind<",
    "try<",
];

/// Parts of the names of functions by which threads wait, or that lead there.
const WAITING: [&str; 10] = [
    "syscall",
    "futex",
    "lll_lock_wait",
    "lll_mutex_lock",
    "sched_yield",
    "core::hint::",
    "core::sync::atomic::",
    "parking_lot_core::",
    "std::thread::",
    "thread_parking",
];

/// What a thread waits for, which a suspended fiber of it may have or may have to bring.
#[derive(Clone, Copy)]
pub(super) enum Awaited {
    /// It is free when another one gives it back.
    Lock(&'static str),
    /// It comes from another one.
    Notice(&'static str),
}

const INITIALISED: Awaited = Lock("a value that is being initialised (LazyLock, OnceLock, Once)");

const UNPARKED: Awaited = Notice("`Thread::unpark`");

/// Parts of the names of functions in which a thread waits, and for what.
const AWAITED: [(&str, Awaited); 20] = [
    ("::sync::mutex::", Lock("a std Mutex")),
    ("::sync::rwlock::", Lock("a std RwLock")),
    ("::sync::once::", INITIALISED),
    ("std::sync::poison::once::", INITIALISED),
    ("std::sync::reentrant_lock::", Lock("a lock that its thread may take again")),
    ("::sync::condvar::", Notice("a std Condvar")),
    ("std::sync::mpmc::", Notice("a std channel")),
    ("pthread_mutex_lock", Lock("a pthread mutex")),
    ("pthread_rwlock_", Lock("a pthread rwlock")),
    ("pthread_once", Lock("a pthread once")),
    ("pthread_cond_", Notice("a pthread condition variable")),
    ("dashmap::lock::", Lock("a lock of a DashMap")),
    ("parking_lot::raw_mutex::", Lock("a parking_lot Mutex")),
    ("parking_lot::raw_rwlock::", Lock("a parking_lot RwLock")),
    ("parking_lot::once::", Lock("a parking_lot Once")),
    ("parking_lot::condvar::", Notice("a parking_lot Condvar")),
    ("parking_lot::remutex::", Lock("a lock that its thread may take again")),
    ("once_cell::imp::", Lock("a value that is being initialised (once_cell)")),
    ("crossbeam_channel::", Notice("a crossbeam channel")),
    ("spin::", Lock("a spin lock")),
];

/// What many of those above are built on: parking_lot's queue of threads with its own lock, and std's parked threads.
/// It counts where none of them is found further out.
const BUILT_ON: [(&str, Awaited); 5] = [
    ("parking_lot_core::", Lock("a lock that is built on parking_lot")),
    ("thread_parking", UNPARKED),
    // Where the former is inlined, by the name in this version of std and in older ones.
    ("std::thread::functions::park", UNPARKED),
    ("std::thread::park", UNPARKED),
    ("std::thread::Thread::park", UNPARKED),
];

pub(super) struct Stack {
    functions: Vec<Function>,
    /// Whether the trace goes on below these functions.
    is_cut: bool,
}

struct Function {
    name: Option<String>,
    place: Option<String>,
}

/// Whether a trace has been resolved. The first takes long: it reads the debug information.
static IS_QUICK: AtomicBool = AtomicBool::new(false);

impl Stack {
    /// Whether [`resolve`](Self::resolve) is quick.
    pub(super) fn is_quick() -> bool {
        IS_QUICK.load(Ordering::Relaxed)
    }

    pub(super) fn resolve(trace: &Trace) -> Self {
        let mut functions: Vec<Function> = Vec::new();
        let mut end = None;
        for (index, &address) in trace.addresses.iter().enumerate() {
            let first = functions.len();
            // A return address is that of the instruction after the call. The innermost address is that of the
            // instruction itself.
            resolve(address + usize::from(index == 0), &mut functions);
            end = functions[first..].iter().position(|function| is_one_of(function, &ENTRY)).map(|at| first + at);
            if end.is_some() {
                break;
            }
        }
        if let Some(end) = end {
            functions.truncate(end);
            while functions.len() > 1 && functions.last().is_some_and(is_between) {
                functions.pop();
            }
        }
        // Where the thread waits in a function that replaces one of libc, only its name is of interest.
        let inside = functions.iter().take_while(|function| stands_for_libc(function)).count();
        functions.drain(..inside.saturating_sub(1));
        IS_QUICK.store(true, Ordering::Relaxed);
        Self { functions, is_cut: trace.is_cut && end.is_none() }
    }

    /// Returns what the thread waits for, if that is a lock or comes from another thread or fiber.
    pub(super) fn awaited(&self) -> Option<Awaited> {
        let mut built_on = None;
        for function in &self.functions {
            let Some(name) = &function.name else { continue };
            if let Some(awaited) = find(&AWAITED, name) {
                return Some(awaited);
            }
            // Functions that were inlined into one another have no module in their names.
            let is_of_parking_lot = function.place.as_ref().is_some_and(|place| place.contains("/parking_lot_core-"));
            let is_inlined = built_on.is_some() && function.place.is_none() && !has_module(name);
            if !is_of_parking_lot && !is_inlined && !WAITING.iter().any(|part| name.contains(part)) {
                break;
            }
            built_on = built_on.or_else(|| find(&BUILT_ON, name));
        }
        built_on
    }
}

/// Whether a name says more than the function's own, and that of its types.
fn has_module(name: &str) -> bool {
    name.split('<').next().is_some_and(|name| name.is_empty() || name.contains("::"))
}

fn find(table: &[(&str, Awaited)], name: &str) -> Option<Awaited> {
    table.iter().find(|(part, _)| name.contains(part)).map(|(_, awaited)| *awaited)
}

/// Without a line, as in programs without debug information, a function may stand for others that were inlined into
/// it.
fn is_between(function: &Function) -> bool {
    let is_of_crate = function.name.as_deref().is_some_and(|name| name.contains("tower_fiber::"));
    is_one_of(function, &BETWEEN) && (function.place.is_some() || !is_of_crate)
}

/// Whether a function is one of the feature `interpose`, or what such a one calls.
fn stands_for_libc(function: &Function) -> bool {
    let is_named = |name: &String| name.starts_with("syscalls::") || name.contains("tower_fiber::raw::interpose::");
    function.name.as_ref().is_some_and(is_named)
        || function.place.as_ref().is_some_and(|place| place.contains("/raw/interpose/"))
}

fn is_one_of(function: &Function, beginnings: &[&str]) -> bool {
    function.name.as_deref().is_some_and(|name| beginnings.iter().any(|beginning| name.starts_with(beginning)))
}

impl fmt::Display for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (index, function) in self.functions.iter().enumerate() {
            write!(f, "{separator}{index:4}: {}", function.name.as_deref().unwrap_or("<unknown>"))?;
            if let Some(place) = &function.place {
                write!(f, "\n             at {place}")?;
            }
            separator = "\n";
        }
        if self.is_cut {
            write!(f, "{separator}      and more")?;
        }
        Ok(())
    }
}

/// Appends the function at an address, after those that were inlined into it.
#[cfg(all(feature = "backtrace", target_os = "linux"))]
fn resolve(address: usize, functions: &mut Vec<Function>) {
    let before = functions.len();
    backtrace::resolve(std::ptr::without_provenance_mut(address), |symbol| {
        // The alternate form leaves the hash out.
        let name = symbol.name().map(|name| format!("{name:#}"));
        let place = symbol.filename().and_then(|file| place(file, symbol.lineno()?));
        functions.push(Function { name, place });
    });
    if functions.len() == before {
        functions.push(Function { name: None, place: None });
    }
}

#[cfg(not(all(feature = "backtrace", target_os = "linux")))]
fn resolve(_: usize, _: &mut Vec<Function>) {}

/// Returns `None` in std, where the line does not help.
#[cfg_attr(not(all(feature = "backtrace", target_os = "linux")), expect(dead_code, reason = "there are no traces"))]
fn place(file: &Path, line: u32) -> Option<String> {
    if file.starts_with("/rustc") || file.components().any(|part| part.as_os_str() == "rustlib") {
        return None;
    }
    let here = env::current_dir().ok();
    let shown = match here.as_ref().and_then(|here| file.strip_prefix(here).ok()) {
        Some(file) => Cow::Owned(format!("./{}", file.display())),
        None => file.to_string_lossy(),
    };
    Some(format!("{shown}:{line}"))
}
