//! Threads stay on their CPUs, where the system allows it.
#![cfg(target_os = "linux")]

use std::{convert::Infallible, fs, future::pending, thread};

use tokio::task::spawn_blocking;
use tower_fiber::per_core::PerCore;

use crate::harness::{ANY_PORT, each_way, in_time};

/// The CPUs that this thread may use, as the kernel writes them: `0-1,4`.
fn allowed() -> String {
    let status = fs::read_to_string("/proc/thread-self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    line.unwrap().trim().to_owned()
}

#[test]
fn each_thread_keeps_its_cpu_and_blocking_functions_keep_all() {
    each_way(|builder| {
        let before = allowed();
        let server = builder.cores(3).pin(true).bind(ANY_PORT).unwrap();
        let cores = server.run(pending(), |core, _listener| async move {
            let blocking = spawn_blocking(allowed).await.unwrap();
            Ok::<_, Infallible>((core.cpu(), allowed(), blocking))
        });
        let cores = cores.unwrap();
        assert_eq!(allowed(), before, "the calling thread is not pinned");
        if cores.iter().all(|(cpu, ..)| cpu.is_none()) {
            println!("skipped: this machine does not let threads be pinned");
            return;
        }
        for (cpu, here, blocking) in &cores {
            assert_eq!(*here, cpu.unwrap().to_string());
            assert_eq!(*blocking, before);
        }
        let parallelism = thread::available_parallelism().unwrap().get();
        if parallelism == 2 {
            // Three cores on two CPUs: in a circle.
            assert_ne!(cores[0].0, cores[1].0);
            assert_eq!(cores[0].0, cores[2].0);
        }
    });
}

#[test]
fn without_it_threads_may_move() {
    in_time(|| {
        let server = PerCore::builder().cores(2).bind(ANY_PORT).unwrap();
        let cores =
            server.run(pending(), |core, _listener| async move { Ok::<_, Infallible>((core.cpu(), allowed())) });
        for core in cores.unwrap() {
            assert_eq!(core, (None, allowed()));
        }
    });
}
