//! Middleware whose caller goes: what becomes of the code below it, and what the function sees of that.

mod cases;
mod mixes;

use std::future::{Future, pending};

use axum::{
    Router,
    extract::Request,
    middleware,
    response::Response,
    routing::{MethodRouter, get},
};
use tokio::sync::{mpsc, watch};
use tower_fiber::{
    FiberLayer, OnDrop, WaitExt as _,
    axum::{CallerGone, Next, blocking, fiber_with},
    caller_gone, try_await_in_fiber, until_caller_gone,
};

pub(crate) const POLICIES: [OnDrop; 3] = [OnDrop::Finish, OnDrop::Cancel, OnDrop::Unwind];

/// What happens, in order, and the gate that handlers wait for.
#[derive(Clone)]
pub(crate) struct Script {
    log: mpsc::UnboundedSender<String>,
    gate: watch::Receiver<bool>,
}

/// The test's side of a script.
pub(crate) struct Watch {
    pub(crate) seen: mpsc::UnboundedReceiver<String>,
    pub(crate) open: watch::Sender<bool>,
}

pub(crate) fn script() -> (Script, Watch) {
    let ((log, seen), (open, gate)) = (mpsc::unbounded_channel(), watch::channel(false));
    (Script { log, gate }, Watch { seen, open })
}

impl Watch {
    pub(crate) async fn next(&mut self) -> String {
        self.seen.recv().await.expect("something happens")
    }

    /// Whatever still happens, in the order of the alphabet, until nobody is left for whom anything could.
    pub(crate) async fn rest(mut self) -> Vec<String> {
        let mut rest = Vec::new();
        while let Some(seen) = self.seen.recv().await {
            rest.push(seen);
        }
        rest.sort();
        rest
    }
}

impl Script {
    fn log(&self, text: &str) {
        self.log.send(text.to_owned()).unwrap();
    }

    async fn gate(&self) {
        self.gate.clone().wait_for(|is_open| *is_open).await.unwrap();
    }

    /// Logs the end of `who`, if it does not say itself how it ends.
    fn ends(&self, who: &'static str) -> Ends {
        Ends { script: self.clone(), who, is_said: false }
    }

    /// An async handler that waits for the gate.
    pub(crate) fn asynchronous(&self) -> MethodRouter {
        let script = self.clone();
        get(async move || {
            let mut ends = script.ends("handler");
            script.log("handler begins");
            script.gate().await;
            ends.say("finished");
        })
    }

    /// What a synchronous handler of this policy does when its caller goes: it learns of that and waits for the gate,
    /// is cancelled, or unwinds.
    pub(crate) fn synchronous(&self, policy: OnDrop) -> impl Fn() + Clone + Send + Sync + 'static + use<> {
        let script = self.clone();
        move || {
            let mut ends = script.ends("handler");
            script.log("handler begins");
            if policy == OnDrop::Finish {
                until_caller_gone().wait();
                assert!(caller_gone());
                script.log("handler is told");
            }
            if policy == OnDrop::Cancel && try_await_in_fiber(script.gate()).is_err() {
                return ends.say("cancelled");
            }
            script.gate().wait();
            ends.say("finished");
        }
    }

    pub(crate) fn in_fiber(&self, layer: &FiberLayer, policy: OnDrop) -> MethodRouter {
        get(fiber_with(layer, self.synchronous(policy)))
    }

    pub(crate) fn blocking(&self) -> MethodRouter {
        get(blocking(self.synchronous(OnDrop::Finish)))
    }

    /// A middleware function that says what it sees.
    pub(crate) fn plain(
        &self,
        name: &'static str,
    ) -> impl Fn(Request, Next) -> Response + Clone + Send + Sync + 'static + use<> {
        let script = self.clone();
        move |request, next| {
            let mut ends = script.ends(name);
            let response = next.run(request);
            let is_gone = response.extensions().get::<CallerGone>().is_some();
            assert_eq!(is_gone, response.status().as_u16() == 499);
            ends.say(if is_gone { "saw 499" } else { "saw the response" });
            response
        }
    }

    pub(crate) async fn native(script: Self, request: Request, next: middleware::Next) -> Response {
        let mut ends = script.ends("outside");
        let response = next.run(request).await;
        ends.say("saw the response");
        response
    }
}

struct Ends {
    script: Script,
    who: &'static str,
    is_said: bool,
}

impl Ends {
    fn say(&mut self, how: &str) {
        self.is_said = true;
        self.script.log(&format!("{} {how}", self.who));
    }
}

impl Drop for Ends {
    fn drop(&mut self) {
        if !self.is_said {
            self.say("dropped");
        }
    }
}

/// How a request loses its caller.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Goes {
    /// The client disconnects.
    Client,
    /// A time-out of an async layer elapses.
    TimeOut,
}

/// Sends a request, and lets its caller go when the handler has begun.
pub(crate) async fn leave(app: Router, goes: Goes, watch: &mut Watch) {
    let (elapse, elapsed) = tokio::sync::oneshot::channel::<()>();
    let client = match goes {
        Goes::Client => tokio::spawn(async move { _ = crate::harness::get(&app, "/").await }),
        Goes::TimeOut => tokio::spawn(async move {
            let request = crate::harness::get(&app, "/");
            assert!(either(request, elapsed).await, "the request ended first");
        }),
    };
    assert_eq!(watch.next().await, "handler begins");
    match goes {
        Goes::Client => {
            client.abort();
            assert!(client.await.unwrap_err().is_cancelled());
        }
        Goes::TimeOut => {
            elapse.send(()).unwrap();
            client.await.unwrap();
        }
    }
}

/// Whether the second was ready first.
async fn either<T, U>(first: impl Future<Output = T>, second: impl Future<Output = U>) -> bool {
    tokio::select! {
        _ = first => false,
        _ = second => true,
    }
}

/// An async layer that has something to wait for after the handler.
pub(crate) async fn lingers(script: Script, request: Request, next: middleware::Next) -> Response {
    let _ends = script.ends("between");
    _ = next.run(request).await;
    pending().await
}
