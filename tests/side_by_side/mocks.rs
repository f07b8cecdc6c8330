//! `tower_test::mock`, as the tests of services use it.

use tokio_test::task;
use tower::{BoxError, Service as _, ServiceExt as _};
use tower_test::mock::{self, Handle, Mock};

use crate::harness::{Any, begin, same};

type Mocked = Any<&'static str, &'static str, BoxError>;

fn pair() -> (Mock<&'static str, &'static str>, Handle<&'static str, &'static str>) {
    mock::pair()
}

fn poll_ready(service: &mut task::Spawn<Mocked>) -> String {
    let poll = service.enter(|cx, mut service| service.poll_ready(cx));
    format!("{poll:?}")
}

#[test]
fn answers_in_any_order() {
    same(|around, seen| async move {
        let (mock, mut handle) = pair();
        let mut service = around.around(mock);
        let mut calls = Vec::new();
        let mut answers = Vec::new();
        for request in ["a", "b", "c"] {
            let mut call = service.ready().await.unwrap().call(request);
            begin(&mut call, || true).await;
            let (request, answer) = handle.next_request().await.unwrap();
            seen.note(request);
            calls.push(call);
            answers.push(answer);
        }
        for (answer, text) in answers.into_iter().rev().zip(["of c", "of b", "of a"]) {
            answer.send_response(text);
        }
        for call in calls {
            seen.note(call.await.unwrap());
        }
    });
}

#[test]
fn errors() {
    same(|around, seen| async move {
        let (mock, mut handle) = pair();
        let mut service = task::spawn(around.around(mock));
        seen.note(poll_ready(&mut service));
        let mut call = service.call("a");
        begin(&mut call, || true).await;
        handle.next_request().await.unwrap().1.send_error("of the call");
        seen.note(call.await.unwrap_err());
        handle.allow(0);
        seen.note(poll_ready(&mut service));
        handle.send_error("of the readiness");
        seen.note(service.is_woken());
        seen.note(poll_ready(&mut service));
        handle.allow(1);
        seen.note(poll_ready(&mut service));
    });
}

#[test]
fn a_handle_that_goes() {
    same(|around, seen| async move {
        let (mock, mut handle) = pair();
        let mut service = task::spawn(around.around(mock));
        seen.note(poll_ready(&mut service));
        let mut begun = service.call("a");
        begin(&mut begun, || true).await;
        let answer = handle.next_request().await.unwrap().1;
        handle.allow(0);
        seen.note(poll_ready(&mut service));
        drop(handle);
        seen.note(service.is_woken());
        seen.note(poll_ready(&mut service));
        drop(answer);
        seen.note(begun.await.unwrap_err());
        seen.note(service.call("b").await.unwrap_err());
    });
}

#[test]
fn a_caller_that_goes() {
    same(|around, seen| async move {
        let (mock, mut handle) = pair();
        let mut service = around.around(mock);
        let mut call = service.ready().await.unwrap().call("a");
        begin(&mut call, || true).await;
        let (request, answer) = handle.next_request().await.unwrap();
        drop(call);
        answer.send_response("too late");
        seen.note(request);
        drop(service);
        seen.note(handle.next_request().await.is_none());
    });
}

#[test]
fn as_many_as_are_allowed() {
    same(|around, seen| async move {
        let (mock, mut handle) = pair();
        handle.allow(2);
        let mut service = task::spawn(around.around(mock));
        let mut calls = Vec::new();
        for request in ["a", "b"] {
            seen.note(poll_ready(&mut service));
            let mut call = service.call(request);
            begin(&mut call, || true).await;
            // It counts once the mock is called.
            let (_, answer) = handle.next_request().await.unwrap();
            answer.send_response("answer");
            calls.push(call);
        }
        seen.note(poll_ready(&mut service));
        handle.allow(1);
        seen.note(service.is_woken());
        seen.note(poll_ready(&mut service));
        for call in calls {
            seen.note(call.await.unwrap());
        }
    });
}
