//! A core that cannot start keeps the closure from running anywhere.
#![cfg(target_os = "linux")]

use std::{
    convert::Infallible,
    error::Error as _,
    fs::File,
    future::{pending, ready},
    io,
    sync::mpsc,
};

use crate::{
    child,
    harness::{ANY_PORT, each_way},
};

/// In a process of its own, which has only a few files left when the cores start.
#[test]
fn the_closure_runs_everywhere_or_nowhere() {
    child::passes("start::the_closure_runs_everywhere_or_nowhere", || {
        each_way(|builder| {
            let server = builder.cores(8).bind(ANY_PORT).unwrap();
            let mut files = Vec::new();
            let last = loop {
                match File::open("/dev/null") {
                    Ok(file) => files.push(file),
                    Err(error) => break error,
                }
            };
            println!("{} files, then {last}", files.len());
            // Enough for the runtimes of some cores.
            files.truncate(files.len() - 15);
            let (ran, runs) = mpsc::channel();
            let run = server.run(pending(), |core, _listener| ready(ran.send(core.index())));
            let error = run.unwrap_err();
            drop(files);
            assert_eq!(runs.try_iter().count(), 0);
            assert!(error.core().is_some() && !error.is_panic());
            assert!(error.to_string().starts_with(&format!("core {} could not start", error.core().unwrap())));
            let source = error.source().unwrap().downcast_ref::<io::Error>().unwrap();
            assert_eq!(source.raw_os_error(), last.raw_os_error());
        });
    });
}

/// The supervisor's own runtime comes first.
#[test]
fn nothing_starts_without_a_runtime_for_the_caller() {
    child::passes("start::nothing_starts_without_a_runtime_for_the_caller", || {
        each_way(|builder| {
            let server = builder.cores(2).bind(ANY_PORT).unwrap();
            let files: Vec<_> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
            let run = server.run(pending(), |_, _| ready(Ok::<_, Infallible>(())));
            let error = run.unwrap_err();
            drop(files);
            assert_eq!(error.core(), None);
            assert_eq!(error.to_string(), "could not start");
        });
    });
}
