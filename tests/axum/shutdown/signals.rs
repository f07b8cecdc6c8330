//! Signals begin the shutdown, and a second one ends it at once.

use std::future::pending;

use axum::{Router, routing::get};
use nix::{
    sys::signal::{Signal, kill},
    unistd::getpid,
};
use tokio::{net::TcpListener, runtime::Builder, sync::mpsc};
use tower_fiber::{
    FiberLayer, OnDrop, WaitExt as _,
    axum::{Stopping, fiber_with, serve},
    try_await_in_fiber,
};

use super::harness::{LONG, assert_nothing_cut, cut};
use crate::{
    child,
    sockets::{self, Client, Version},
};

/// A server whose one handler says when it has begun and when it is told to stop, and then waits for ever.
fn ends_by(signals: &[Signal]) {
    Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        let layer = FiberLayer::builder().on_drop(OnDrop::Cancel).build().unwrap();
        let (say, mut said) = mpsc::unbounded_channel();
        let is_stuck = signals.len() > 1;
        let handler = move |stopping: Stopping| {
            say.send("begun").unwrap();
            stopping.begun().wait();
            say.send("told").unwrap();
            if is_stuck {
                _ = try_await_in_fiber(pending::<()>());
            }
        };
        let app: Router = Router::new().route("/", get(fiber_with(&layer, handler)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move { serve(listener, app).layer(&layer).grace(LONG).await.unwrap() });
        let mut client = Client::connect(address, Version::Http1).await;
        let request = tokio::spawn(async move { client.send(sockets::get("/")).await.map(|answer| answer.status()) });
        for (&signal, expected) in signals.iter().zip(["begun", "told"]) {
            assert_eq!(said.recv().await, Some(expected));
            kill(getpid(), signal).unwrap();
        }
        let report = server.await.unwrap();
        if is_stuck {
            assert_eq!(cut(&report), (1, 1, 0));
            request.await.unwrap().unwrap_err();
        } else {
            assert_nothing_cut(report);
            assert_eq!(request.await.unwrap().unwrap(), 200);
        }
    });
}

#[test]
fn sigterm() {
    child::passes("shutdown::signals::sigterm", || ends_by(&[Signal::SIGTERM]));
}

#[test]
fn ctrl_c() {
    child::passes("shutdown::signals::ctrl_c", || ends_by(&[Signal::SIGINT]));
}

#[test]
fn a_second_signal_cuts_at_once() {
    child::passes("shutdown::signals::a_second_signal_cuts_at_once", || ends_by(&[Signal::SIGTERM, Signal::SIGINT]));
}
