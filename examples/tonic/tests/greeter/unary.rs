//! A unary call waits in a fiber and answers.

use std::{
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use tokio::sync::Semaphore;
use tonic_example::directory::SlowDirectory;
use tower_fiber::{Counters, FiberLayer, WaitExt as _, in_fiber};

use crate::harness::{Asks, client, greet, on_each_runtime};

#[test]
fn a_call_waits_and_answers() {
    on_each_runtime(|| async {
        let layer = FiberLayer::new();
        let client = client(&layer, SlowDirectory::new(Duration::from_millis(1))).await;
        assert_eq!(greet(client, " Ada ").await.unwrap(), "Good day, Countess Ada");
        assert_eq!(layer.handle().counters(), Counters::default());
    });
}

#[test]
fn a_waiting_call_is_one_live_fiber() {
    on_each_runtime(|| async {
        let layer = FiberLayer::new();
        let handle = layer.handle();
        let (asked, answer) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let inside = (Arc::clone(&asked), Arc::clone(&answer));
        let directory = Asks(move |name: &str| {
            assert!(in_fiber());
            inside.0.add_permits(1);
            inside.1.acquire().wait().unwrap().forget();
            Ok(Some(name.to_uppercase()))
        });
        let client = client(&layer, directory).await;
        assert_eq!(handle.live(), 0);
        let call = tokio::spawn(greet(client, "ada"));
        asked.acquire().await.unwrap().forget();
        assert_eq!(handle.live(), 1);
        answer.add_permits(1);
        assert_eq!(call.await.unwrap().unwrap(), "Good day, ADA ada");
        assert_eq!(handle.live(), 0);
    });
}

#[test]
fn a_current_thread_runtime_serves_on_its_own_thread() {
    let threads = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&threads);
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async move {
        let directory = Asks(move |_: &str| {
            seen.lock().unwrap().push(thread::current().id());
            tokio::task::yield_now().wait();
            seen.lock().unwrap().push(thread::current().id());
            Ok(None)
        });
        _ = greet(client(&FiberLayer::new(), directory).await, "Ada").await;
    });
    assert_eq!(*threads.lock().unwrap(), [thread::current().id(); 2]);
}
