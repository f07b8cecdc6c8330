//! Panics and errors of one core end the others and are reported.

use std::{
    convert::Infallible,
    error::Error,
    future::{pending, ready},
    io,
    panic::panic_any,
    sync::{Barrier, mpsc},
};

use axum::{Router, routing::get};
use tower_fiber::{axum::fiber, per_core::PerCoreError};

use crate::harness::{self, ANY_PORT, background, each_way, shutdown};

#[test]
fn a_panic_is_reported_and_ends_the_others_gracefully() {
    each_way(|builder| {
        let server = builder.cores(3).bind(ANY_PORT).unwrap();
        let (ended, ends) = mpsc::channel();
        let run = server.run(pending(), |core, listener| {
            let ended = ended.clone();
            async move {
                if core.index() == 1 {
                    panic!("core {} has no paper", core.index());
                }
                axum::serve(listener, Router::new()).with_graceful_shutdown(core.shutdown()).await?;
                ended.send(core.index()).unwrap();
                Ok::<_, io::Error>(())
            }
        });
        let error = run.unwrap_err();
        let mut others: Vec<_> = ends.try_iter().collect();
        others.sort_unstable();
        assert_eq!(others, [0, 2]);
        assert_eq!((error.core(), error.is_panic(), error.others().len()), (Some(1), true, 0));
        assert_eq!(error.to_string(), "core 1 panicked: core 1 has no paper");
        assert_eq!(*error.into_panic().unwrap().downcast::<String>().unwrap(), "core 1 has no paper");
    });
}

#[test]
fn a_panic_before_the_future_and_one_without_a_text() {
    each_way(|builder| {
        let server = builder.cores(2).bind(ANY_PORT).unwrap();
        let run = server.run(pending(), |core, _listener| {
            if core.index() == 0 {
                panic_any(7);
            }
            let shutdown = core.shutdown();
            async move {
                shutdown.await;
                Ok::<_, Infallible>(())
            }
        });
        let error = run.unwrap_err();
        assert_eq!(error.to_string(), "core 0 panicked");
        assert_eq!(*error.into_panic().unwrap().downcast::<i32>().unwrap(), 7);
    });
}

#[test]
fn an_error_is_reported_and_ends_the_others() {
    each_way(|builder| {
        let server = builder.cores(3).bind(ANY_PORT).unwrap();
        let run = server.run(pending(), |core, _listener| async move {
            if core.index() == 2 {
                return Err(io::Error::other("no paper"));
            }
            core.shutdown().await;
            Ok(())
        });
        let error = run.unwrap_err();
        assert_eq!((error.core(), error.is_panic()), (Some(2), false));
        assert_eq!(
            (error.to_string(), error.source().unwrap().to_string()),
            ("core 2 failed".to_owned(), "no paper".to_owned())
        );
        assert_eq!(error.source().unwrap().downcast_ref::<io::Error>().unwrap().kind(), io::ErrorKind::Other);
        assert!(error.into_panic().is_none());
    });
}

#[test]
fn all_failures_are_kept() {
    each_way(|builder| {
        let server = builder.cores(3).bind(ANY_PORT).unwrap();
        let together = Barrier::new(3);
        let run =
            server.run(pending(), |core, _listener| {
                together.wait();
                async move {
                    if core.index() == 0 { Err(format!("no {}", "ink")) } else { panic!("paper {}", core.index()) }
                }
            });
        let error = run.map(|nothing: Vec<()>| nothing).unwrap_err();
        let mut texts = error.to_string().split("; ").map(str::to_owned).collect::<Vec<_>>();
        texts.sort_unstable();
        assert_eq!(texts, ["core 0 failed", "core 1 panicked: paper 1", "core 2 panicked: paper 2"]);
        assert_eq!(error.others().len(), 2);
        assert_ne!(error.core(), error.others()[0].core());
    });
}

/// axum's connections are tasks, whose panics tokio catches.
#[test]
fn a_panic_of_a_handler_ends_no_core() {
    each_way(|builder| {
        fn broken() -> &'static str {
            panic!("this handler is broken")
        }
        let server = builder.cores(1).bind(ANY_PORT).unwrap();
        let address = server.local_addr();
        let (stop, stopped) = shutdown();
        let server = background(move || {
            server.run(stopped, |core, listener| {
                let app: Router = Router::new().route("/broken", get(fiber(broken))).route("/", get(|| ready("alive")));
                axum::serve(listener, app).with_graceful_shutdown(core.shutdown())
            })
        });
        assert!(harness::get(address, "/broken").is_err());
        assert_eq!(harness::get(address, "/").unwrap(), (200, "alive".to_owned()));
        drop(stop);
        server.end().unwrap();
    });
}

/// What a core has spawned is dropped with its runtime, before `run` returns; a destructor that panics ends no core.
#[test]
fn a_panic_of_a_destructor_hangs_nothing() {
    struct Sore(mpsc::Sender<()>);
    impl Drop for Sore {
        fn drop(&mut self) {
            self.0.send(()).unwrap();
            panic!("a destructor");
        }
    }
    each_way(|builder| {
        let server = builder.cores(2).bind(ANY_PORT).unwrap();
        let (dropped, drops) = mpsc::channel();
        let run = server.run(pending(), |_, _listener| {
            let sore = Sore(dropped.clone());
            tokio::task::spawn_local(async move {
                let _sore = sore;
                pending::<()>().await;
            });
            async {
                tokio::task::yield_now().await;
                Ok::<_, Infallible>(())
            }
        });
        run.unwrap();
        assert_eq!(drops.try_iter().count(), 2);
    });
}

#[test]
fn the_error_becomes_any_boxed_one() {
    fn is_error<T: Error + Send + Sync + 'static>() {}
    is_error::<PerCoreError>();
}
