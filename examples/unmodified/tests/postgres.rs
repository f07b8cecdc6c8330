//! postgres, whose client has a runtime of its own: a thread in a fiber runs another one already, with or without
//! interposition.

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};

use common::{both, on_one_thread};
use postgres::{Client, NoTls};
use tower_fiber::offload;

fn answer(port: u16) -> i32 {
    let mut client = Client::connect(&format!("postgres://postgres@127.0.0.1:{port}/postgres"), NoTls).unwrap();
    client.query_one("select 42", &[]).unwrap().get(0)
}

#[test]
fn it_cannot_run_in_a_fiber() {
    let Some(server) = servers::postgresql() else { return };
    let port = server.port;
    on_one_thread(async {
        for layer in both() {
            let panic = layer.run(move || catch_unwind(AssertUnwindSafe(|| answer(port)))).await.unwrap_err();
            let text = panic
                .downcast::<&str>()
                .map(|text| text.to_string())
                .or_else(|panic| panic.downcast().map(|text| *text));
            let text: String = text.expect("a text");
            assert!(text.starts_with("Cannot start a runtime from within a runtime."), "{text}");
        }
    });
}

#[test]
fn it_runs_on_another_thread() {
    let Some(server) = servers::postgresql() else { return };
    let port = server.port;
    on_one_thread(async {
        for layer in both() {
            assert_eq!(layer.run(move || offload(move || answer(port))).await, 42);
        }
    });
}
