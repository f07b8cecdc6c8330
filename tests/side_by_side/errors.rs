//! Answers, errors and panics of `call` and of its future reach the caller as they are.

use std::{error::Error as _, io, panic::AssertUnwindSafe};

use futures_util::FutureExt as _;
use tower::{BoxError, ServiceExt as _, service_fn};

use crate::{
    harness::same,
    probe::{Fate, Probe, Refused},
    support::text_of_panic,
};

#[test]
fn an_error_of_the_service() {
    same(|around, seen| async move {
        let probe = Probe::new(&seen);
        let ask = probe.ask("a", Fate::Error);
        let error = around.around(probe).oneshot(ask).await.err().unwrap();
        seen.note(error);
    });
}

#[test]
fn a_boxed_error_is_the_same_value() {
    same(|around, seen| async move {
        let service = around.around(service_fn(|error: BoxError| async move { Err::<(), _>(error) }));
        let cause: BoxError = Box::new(io::Error::new(io::ErrorKind::NotFound, Refused("deep down".to_owned())));
        let address = (&raw const *cause).addr();
        let error = service.oneshot(cause).await.unwrap_err();
        seen.note((&raw const *error).addr() == address);
        let error = error.downcast::<io::Error>().unwrap();
        seen.note(format_args!("{:?}, {:?}", error.kind(), error.get_ref().map(ToString::to_string)));
        seen.note(error.source().is_some());
    });
}

#[test]
fn panics_have_their_payload() {
    same(|around, seen| async move {
        for (name, fate) in [("a", Fate::PanicInCall), ("b", Fate::PanicInFuture)] {
            let probe = Probe::new(&seen);
            let ask = probe.ask(name, fate);
            let call = AssertUnwindSafe(around.around(probe).oneshot(ask)).catch_unwind().await;
            let Err(payload) = call else { panic!("it should have panicked") };
            seen.note(text_of_panic(|| std::panic::resume_unwind(payload)));
        }
        let service = around.around(service_fn(|n: u32| async move {
            if n > 0 {
                std::panic::panic_any(n);
            }
            Ok::<_, Refused>(())
        }));
        let payload = AssertUnwindSafe(service.oneshot(7)).catch_unwind().await.unwrap_err();
        seen.note(payload.downcast_ref::<u32>().unwrap());
    });
}

#[test]
fn a_service_whose_call_has_panicked_is_called_again() {
    same(|around, seen| async move {
        let probe = Probe::new(&seen);
        let asks =
            [probe.ask("a", Fate::PanicInFuture), probe.ask("b", Fate::PanicInCall), probe.ask("c", Fate::Later)];
        let service = around.around(probe);
        for ask in asks {
            let call = AssertUnwindSafe(service.clone().oneshot(ask)).catch_unwind().await;
            seen.note(call.is_ok_and(|answer| answer.is_ok()));
        }
    });
}
