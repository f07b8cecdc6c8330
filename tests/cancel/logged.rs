//! What the log says of calls whose callers get `Cancelled`, of which the panic hook does not hear.

use std::future::pending;

use futures_util::FutureExt as _;
use tower_fiber::{FiberLayer, OnDrop, WaitExt as _, error::Cancelled, join, run_local, try_await_in_fiber};

use crate::{
    events::Warnings,
    support::{both, on_each_runtime, poll_once},
};

#[test]
fn a_caller_that_waits_gets_a_panic_and_the_log_a_line() {
    on_each_runtime(|| async {
        let events = Warnings::and_infos();
        let _default = tracing::subscriber::set_default(events.clone());
        for layer in both(FiberLayer::builder().name("orders").on_drop(OnDrop::Unwind)) {
            // What is inside goes with it, and is not told of.
            let code = || _ = join(|| pending::<()>().wait(), || run_local(|| pending::<()>().wait()).wait());
            let mut call = Box::pin(layer.run(code));
            assert!(poll_once(&mut call).await.is_none());
            layer.handle().cancel_all();
            let payload = std::panic::AssertUnwindSafe(call).catch_unwind().await.unwrap_err();
            assert!(payload.is::<Cancelled>());
            let said = events.with("gets the panic `Cancelled`");
            assert!(said.len() == 1 && said[0].contains("service=\"orders\""), "{said:?}");
            events.take();
        }
    });
}

#[test]
fn a_caller_that_has_gone_or_gets_an_error_is_not_told_of() {
    on_each_runtime(|| async {
        let events = Warnings::and_infos();
        let _default = tracing::subscriber::set_default(events.clone());
        for layer in both(FiberLayer::builder().on_drop(OnDrop::Unwind)) {
            let mut call = Box::pin(layer.run(|| pending::<()>().wait()));
            assert!(poll_once(&mut call).await.is_none());
            drop(call);
            layer.handle().drained().await;
            let mut call = Box::pin(layer.run(|| try_await_in_fiber(pending::<()>()).is_err()));
            assert!(poll_once(&mut call).await.is_none());
            layer.handle().cancel_all();
            assert!(call.await);
        }
        let mut local = Box::pin(run_local(|| pending::<()>().wait()));
        assert!(poll_once(&mut local).await.is_none());
        drop(local);
        assert_eq!(events.with("Cancelled"), [""; 0]);
    });
}
