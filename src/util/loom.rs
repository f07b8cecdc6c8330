//! Types for sharing between threads. The loom models (`models/`) compile the files that use them against loom's types
//! instead.

pub(crate) use std::{
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicUsize, Ordering, fence},
    },
    thread::yield_now,
};

pub(crate) use concurrent_queue::ConcurrentQueue;
pub(crate) use tokio::{runtime::Handle, sync::oneshot};

pub(crate) use super::held::Held;
