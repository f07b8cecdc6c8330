//! axum serves plain functions in fibers, in place.

use std::{net::SocketAddr, thread, time::Duration};

use axum::{
    Router,
    extract::{ConnectInfo, Path},
    routing::get,
    serve::ListenerExt as _,
};
use tokio::task::yield_now;
use tower_fiber::{FiberLayer, WaitExt as _, axum::fiber_with, in_fiber};

use crate::harness::{self, ANY_PORT, background, each_way, shutdown};

/// Waits, and says on which thread it ran before and after.
fn threads() -> String {
    assert!(in_fiber());
    let before = thread::current().id();
    tokio::time::sleep(Duration::from_millis(1)).wait();
    yield_now().wait();
    assert_eq!(thread::current().id(), before);
    thread::current().name().unwrap().to_owned()
}

#[test]
fn a_plain_handler_waits_on_its_cores_thread() {
    each_way(|builder| {
        let layer = FiberLayer::new();
        let handle = layer.handle();
        let server = builder.cores(2).thread_name("core").bind(ANY_PORT).unwrap();
        let address = server.local_addr();
        let (stop, stopped) = shutdown();
        let server = background(move || {
            server.run(stopped, |core, listener| {
                // Served by this core, under a path that only this core knows.
                let path = format!("/{}", core.index());
                let app: Router = Router::new().route(&path, get(fiber_with(&layer, threads)));
                axum::serve(listener, app).with_graceful_shutdown(core.shutdown())
            })
        });
        let mut served = 0;
        for n in 0..40 {
            let core = n % 2;
            let (status, body) = harness::get(address, &format!("/{core}")).unwrap();
            match status {
                200 => {
                    assert_eq!(body, format!("core-{core}"));
                    served += 1;
                }
                // Another core got the connection.
                status => assert_eq!(status, 404),
            }
        }
        assert!(served > 0);
        drop(stop);
        server.end().unwrap();
        assert_eq!(handle.counters(), tower_fiber::Counters::default());
    });
}

#[test]
fn the_clients_address_is_known_through_tap_io() {
    each_way(|builder| {
        let server = builder.cores(2).bind(ANY_PORT).unwrap();
        let address = server.local_addr();
        let (stop, stopped) = shutdown();
        let server = background(move || {
            server.run(stopped, |core, listener| {
                let app = Router::new().route(
                    "/{from}",
                    get(|Path(_): Path<String>, ConnectInfo(client): ConnectInfo<SocketAddr>| async move {
                        client.ip().to_string()
                    }),
                );
                let app = app.into_make_service_with_connect_info::<SocketAddr>();
                assert_eq!(listener.local_addr().unwrap(), address);
                axum::serve(listener.tap_io(|_| {}), app).with_graceful_shutdown(core.shutdown())
            })
        });
        assert_eq!(harness::get(address, "/me").unwrap(), (200, "127.0.0.1".to_owned()));
        drop(stop);
        server.end().unwrap();
    });
}
