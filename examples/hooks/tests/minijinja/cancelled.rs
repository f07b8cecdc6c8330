//! Callers that go in the middle of a page.

use std::{
    future::{Future as _, pending, poll_fn},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
};

use minijinja::{Environment, context};
use tokio::time::timeout;
use tower_fiber::{FiberLayer, InFiber, OnDrop, WaitExt as _};

use super::LONG;

/// Where the page waits for ever, if the environment waits.
#[derive(Clone, Copy, Debug)]
enum At {
    Loader,
    Function,
    Macro,
}

/// Its templates are loaded; what waits does so as long as `waits`.
fn environment(waits: Arc<AtomicBool>) -> Environment<'static> {
    let wait = move || {
        if waits.load(Ordering::Relaxed) {
            pending::<()>().wait();
        }
    };
    let mut environment = Environment::new();
    environment.set_loader({
        let wait = wait.clone();
        move |name| {
            Ok::<Option<String>, _>(match name {
                "loader" => Some("{% include 'slow' %}".to_owned()),
                "slow" => {
                    wait();
                    Some("done".to_owned())
                }
                "function" => Some("{{ wait() }}".to_owned()),
                "macro" => Some("{% macro inner() %}{{ wait() }}{% endmacro %}{{ inner() }}".to_owned()),
                _ => None,
            })
        }
    });
    environment.add_function("wait", move || {
        wait();
        "done"
    });
    environment
}

async fn caller_goes(at: At) {
    let waits = Arc::new(AtomicBool::new(true));
    let environment = Arc::new(environment(waits.clone()));
    let layer = FiberLayer::new().on_drop(OnDrop::Unwind);
    let render = || -> InFiber<String> {
        let environment = environment.clone();
        layer.run(move || {
            let name = format!("{at:?}").to_lowercase();
            environment.get_template(&name).unwrap().render(context! {}).unwrap()
        })
    };
    let mut first = Box::pin(render());
    assert!(poll_fn(|cx| Poll::Ready(first.as_mut().poll(cx).is_pending())).await);
    drop(first);
    timeout(LONG, layer.handle().drained()).await.expect("it is unwound");
    let counters = layer.handle().counters();
    assert_eq!((counters.live, counters.leaked), (0, 0));

    // The environment is of use to others.
    waits.store(false, Ordering::Relaxed);
    assert_eq!(timeout(LONG, render()).await.expect("nothing holds it up"), "done");
}

#[tokio::test]
async fn an_unwound_page_leaves_nothing_behind() {
    for at in [At::Loader, At::Function, At::Macro] {
        caller_goes(at).await;
    }
}
