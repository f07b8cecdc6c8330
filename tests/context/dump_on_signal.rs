//! What is written when the process gets a signal: in child processes, since a signal's handler is the process's.

#![cfg(all(feature = "signal", unix))]

use std::{
    future::pending,
    io,
    sync::mpsc::{Receiver, channel},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::getpid,
};
use serde_json::Value;
use tokio::{runtime::Builder, signal::unix::SignalKind, task::yield_now};
use tower_fiber::{DumpFormat, DumpOnSignal, FiberLayer, WaitExt as _, run_in_fiber};

use crate::child;

/// Starts it, so that it writes into the channel.
fn started(dump: DumpOnSignal) -> Receiver<String> {
    let (send, received) = channel();
    dump.write_to(move |text| send.send(text.to_owned()).unwrap()).start().unwrap();
    received
}

fn dumped(signal: Signal, received: &Receiver<String>) -> String {
    kill(getpid(), signal).unwrap();
    received.recv_timeout(Duration::from_secs(120)).expect("a dump within two minutes")
}

fn ask_supplier() {
    pending::<()>().wait();
}

/// Two fibers of one layer, one without a layer, and one of a layer that nobody has any more.
async fn begin() -> FiberLayer {
    let layer = FiberLayer::new().name("orders");
    for _ in 0..2 {
        tokio::spawn(layer.run(ask_supplier));
    }
    tokio::spawn(run_in_fiber(ask_supplier));
    tokio::spawn(FiberLayer::new().name("prices").run(ask_supplier));
    // In place, each has waited after one turn.
    yield_now().await;
    layer
}

fn in_runtime(test: impl Future<Output = ()>) {
    Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
}

#[test]
fn all_layers_as_text() {
    child::passes("dump_on_signal::all_layers_as_text", || {
        let received = started(DumpOnSignal::new());
        in_runtime(async {
            let _layer = begin().await;
            // This thread is blocked meanwhile, as that of a server may be of which one wants a dump.
            let text = dumped(Signal::SIGUSR1, &received);
            let parts: Vec<_> = text.split("\n\n").collect();
            assert_eq!(parts.len(), 3, "{text}");
            let of = |name: &str| *parts.iter().find(|part| part.starts_with(name)).expect(&text);
            assert!(
                of("layer `orders`\n2 of `orders` wait at tests/context/dump_on_signal.rs:").ends_with("fibers: 2")
            );
            assert!(of("layer `prices`\n`prices` waits at ").ends_with("fibers: 1"), "{text}");
            assert!(of("a layer without a name\n").ends_with("fibers: 1"), "{text}");
            // Again.
            assert_eq!(dumped(Signal::SIGUSR1, &received).split("\n\n").count(), 3);
        });
    });
}

#[test]
fn some_layers_as_json_with_backtraces() {
    child::passes("dump_on_signal::some_layers_as_json_with_backtraces", || {
        in_runtime(async {
            let layer = begin().await;
            let dump = DumpOnSignal::new().signal(SignalKind::user_defined2()).format(DumpFormat::Json);
            let received = started(dump.backtraces(true).layers([layer.handle()]));
            // The fibers take their backtraces on this thread.
            let asked = tokio::task::spawn_blocking(move || dumped(Signal::SIGUSR2, &received));
            let json: Value = serde_json::from_str(&asked.await.unwrap()).unwrap();
            let [orders] = &json["layers"].as_array().unwrap()[..] else { panic!("{json}") };
            assert_eq!((&orders["name"], &orders["unlisted"]), (&"orders".into(), &0.into()));
            let fibers = orders["fibers"].as_array().unwrap();
            assert_eq!(fibers.len(), 2);
            assert!(fibers.iter().all(|fiber| fiber["backtrace"].as_str().unwrap().contains("ask_supplier")), "{json}");
        });
    });
}

/// Those that nobody looked at until then are counted, and listed when they wait again.
#[test]
fn fibers_that_waited_before() {
    child::passes("dump_on_signal::fibers_that_waited_before", || {
        in_runtime(async {
            let (open, gate) = tokio::sync::oneshot::channel::<()>();
            tokio::spawn(run_in_fiber(move || {
                gate.wait().unwrap();
                ask_supplier();
            }));
            yield_now().await;
            let received = started(DumpOnSignal::new().format(DumpFormat::Json));
            let layer = |json: String| serde_json::from_str::<Value>(&json).unwrap()["layers"][0].clone();
            let before = layer(dumped(Signal::SIGUSR1, &received));
            assert_eq!(
                (&before["name"], &before["fibers"], &before["unlisted"]),
                (&Value::Null, &Value::Array(vec![]), &1.into())
            );
            open.send(()).unwrap();
            yield_now().await;
            let after = layer(dumped(Signal::SIGUSR1, &received));
            assert_eq!((after["fibers"].as_array().unwrap().len(), &after["unlisted"]), (1, &0.into()));
        });
    });
}

#[test]
fn a_writer_that_panics_and_no_layers() {
    child::passes("dump_on_signal::a_writer_that_panics_and_no_layers", || {
        let (send, received) = channel();
        let mut is_first = true;
        let write = move |text: &str| {
            send.send(text.to_owned()).unwrap();
            assert!(!std::mem::take(&mut is_first), "the disk is full");
        };
        DumpOnSignal::new().layers([]).write_to(write).start().unwrap();
        for _ in 0..3 {
            assert_eq!(dumped(Signal::SIGUSR1, &received), "no layers");
        }
    });
}

#[test]
fn a_signal_that_cannot_be_handled() {
    let refused = DumpOnSignal::new().signal(SignalKind::from_raw(9)).start();
    assert!(refused.is_err_and(|error| error.kind() != io::ErrorKind::NotFound));
}
