//! How a server ends when it is asked to.

use std::{convert::Infallible, future::ready, io, panic::panic_any, sync::mpsc, time::Duration};

use axum::{Router, routing::get};
use tokio::sync::Notify;
use tower_fiber::{FiberLayer, WaitExt as _, axum::fiber_with};

use crate::harness::{self, ANY_PORT, LIMIT, background, connect, each_way, shutdown};

#[test]
fn a_request_in_flight_is_answered() {
    each_way(|builder| {
        let layer = FiberLayer::new();
        let handle = layer.handle();
        let server = builder.cores(2).bind(ANY_PORT).unwrap();
        let address = server.local_addr();
        let (stop, stopped) = shutdown();
        let (entered, enters) = mpsc::channel();
        let (told, tells) = mpsc::channel();
        let release = std::sync::Arc::new(Notify::new());
        let released = release.clone();
        let server = background(move || {
            server.run(stopped, |core, listener| {
                let (entered, released) = (entered.clone(), released.clone());
                let slow = move || {
                    entered.send(()).unwrap();
                    released.notified().wait();
                    "done"
                };
                let app: Router = Router::new().route("/", get(fiber_with(&layer, slow)));
                let (shutdown, told) = (core.shutdown(), told.clone());
                axum::serve(listener, app).with_graceful_shutdown(async move {
                    shutdown.await;
                    told.send(()).unwrap();
                })
            })
        });
        let client = background(move || harness::get(address, "/"));
        enters.recv_timeout(LIMIT).unwrap();
        stop.send(()).unwrap();
        for _core in 0..2 {
            tells.recv_timeout(LIMIT).unwrap();
        }
        assert_eq!(handle.live(), 1);
        release.notify_one();
        assert_eq!(client.end().unwrap(), (200, "done".to_owned()));
        server.end().unwrap();
        assert_eq!(connect(address).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(handle.counters(), tower_fiber::Counters::default());
    });
}

#[test]
fn asked_for_from_the_start() {
    each_way(|builder| {
        let server = builder.cores(3).bind(ANY_PORT).unwrap();
        let cores = server.run(ready(()), |core, _listener| async move {
            core.shutdown().await;
            core.clone().shutdown().await;
            Ok::<_, Infallible>(core.index())
        });
        // All the same the closure has run everywhere.
        assert_eq!(cores.unwrap(), [0, 1, 2]);
    });
}

#[test]
fn a_core_that_ends_by_itself_ends_no_other() {
    each_way(|builder| {
        let server = builder.cores(2).bind(ANY_PORT).unwrap();
        let address = server.local_addr();
        let (stop, stopped) = shutdown();
        let (gone, goes) = mpsc::channel();
        let server = background(move || {
            server.run(stopped, |core, listener| {
                let app: Router = Router::new().route("/", get(|| ready("alive")));
                let gone = gone.clone();
                async move {
                    if core.index() == 0 {
                        drop(listener);
                        gone.send(()).unwrap();
                        return Ok("early");
                    }
                    axum::serve(listener, app).with_graceful_shutdown(core.shutdown()).await?;
                    Ok::<_, io::Error>("late")
                }
            })
        });
        goes.recv_timeout(LIMIT).unwrap();
        for _ in 0..10 {
            assert_eq!(harness::get(address, "/").unwrap(), (200, "alive".to_owned()));
        }
        drop(stop);
        assert_eq!(server.end().unwrap(), ["early", "late"]);
    });
}

#[test]
fn a_core_that_does_not_listen_to_it_is_cut_off() {
    each_way(|builder| {
        let limit = Duration::from_millis(20);
        let server = builder.cores(3).shutdown_timeout(limit).bind(ANY_PORT).unwrap();
        let error = server.run(ready(()), |core, _listener| async move {
            if core.index() == 1 {
                std::future::pending::<()>().await;
            }
            Ok::<_, Infallible>(())
        });
        let error = error.unwrap_err();
        assert_eq!((error.core(), error.is_panic(), error.others().len()), (Some(1), false, 0));
        let text = "core 1 was still busy 20ms after the shutdown had begun, and was cut off [TF36]";
        assert_eq!(error.to_string(), text);
    });
}

#[test]
fn a_shutdown_that_panics_is_passed_on_after_the_cores_have_ended() {
    each_way(|builder| {
        let server = builder.cores(2).bind(ANY_PORT).unwrap();
        let (ended, ends) = mpsc::channel();
        let run = std::thread::spawn(move || {
            server.run(async { panic_any("no signals") }, |core, _listener| {
                let ended = ended.clone();
                async move {
                    core.shutdown().await;
                    ended.send(core.index()).unwrap();
                    Ok::<_, Infallible>(())
                }
            })
        });
        let payload = run.join().unwrap_err();
        assert_eq!(payload.downcast_ref(), Some(&"no signals"));
        assert_eq!(ends.iter().count(), 2);
    });
}
