//! Fibers and the threads that they live on: which thread a call runs on, what a thread that unwinds or ends does to
//! its fibers, and how runtimes, pools and processes end while fibers wait.

#[path = "../support/child.rs"]
mod child;
#[path = "../support/mod.rs"]
mod support;

mod destructors;
mod local_dropped;
mod shutdown;
mod thread_local;
mod thread_local_destructors;
mod threads;
