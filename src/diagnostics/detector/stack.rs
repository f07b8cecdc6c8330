//! The functions that a blocked thread is in, in a readable form.

use std::{borrow::Cow, env, fmt, path::Path};

use crate::raw::Trace;

/// The first functions on a fiber's stack, one of which the compiler may leave out. The frames below belong to the
/// thread.
const ENTRY: [&str; 2] = ["tower_fiber::raw::entry::entry", "corosensei::"];

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
const WAITING: [&str; 9] = [
    "syscall",
    "futex",
    "lll_lock_wait",
    "lll_mutex_lock",
    "core::hint::",
    "core::sync::atomic::",
    "parking_lot_core::",
    "std::thread::",
    "thread_parking",
];

/// Parts of the names of functions in which a thread waits for a lock, and the kind of lock.
const LOCKS: [(&str, &str); 13] = [
    ("::sync::mutex::", "a std Mutex"),
    ("::sync::rwlock::", "a std RwLock"),
    ("::sync::once::", "a value that is being initialised (LazyLock, OnceLock, Once)"),
    ("std::sync::poison::once::", "a value that is being initialised (LazyLock, OnceLock, Once)"),
    ("std::sync::reentrant_lock::", "a lock that its thread may take again"),
    ("pthread_mutex_lock", "a pthread mutex"),
    ("pthread_rwlock_", "a pthread rwlock"),
    ("pthread_once", "a pthread once"),
    ("parking_lot::raw_mutex::", "a parking_lot Mutex"),
    ("parking_lot::raw_rwlock::", "a parking_lot RwLock"),
    ("parking_lot::once::", "a parking_lot Once"),
    ("once_cell::imp::", "a value that is being initialised (once_cell)"),
    ("spin::", "a spin lock"),
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

impl Stack {
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
        // Where the thread waits in a function that stands for one of libc's, only its name is of interest.
        let inside = functions.iter().take_while(|function| stands_for_libc(function)).count();
        functions.drain(..inside.saturating_sub(1));
        Self { functions, is_cut: trace.is_cut && end.is_none() }
    }

    /// Returns the kind of lock that the thread waits for, if it waits for one.
    pub(super) fn lock(&self) -> Option<&'static str> {
        for function in &self.functions {
            let Some(name) = &function.name else { continue };
            if let Some((_, lock)) = LOCKS.iter().find(|(part, _)| name.contains(part)) {
                return Some(lock);
            }
            if !WAITING.iter().any(|part| name.contains(part)) {
                break;
            }
        }
        None
    }
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
#[cfg_attr(not(feature = "backtrace"), expect(dead_code, reason = "there are no traces"))]
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
