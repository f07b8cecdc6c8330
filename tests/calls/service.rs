//! The service contract, by scripts against a mock.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll},
};

use tokio_test::{assert_pending, assert_ready_err, assert_ready_ok, task};
use tower::{Service, ServiceBuilder, ServiceExt as _};
use tower_fiber::{FiberLayer, FiberService, WaitExt as _, sync_fn};
use tower_test::{assert_request_eq, mock};

#[tokio::test]
async fn readiness_is_the_inner_services() {
    let (mut service, mut handle) = mock::spawn_layer::<&str, &str, _>(FiberLayer::new());
    handle.allow(0);
    assert_pending!(service.poll_ready());
    handle.allow(1);
    assert!(service.is_woken());
    assert_ready_ok!(service.poll_ready());
    let mut response = task::spawn(service.call("request"));
    assert_pending!(response.poll());
    assert_request_eq!(handle, "request").send_response("response");
    assert!(response.is_woken());
    assert_eq!(assert_ready_ok!(response.poll()), "response");
}

#[tokio::test]
async fn errors_of_poll_ready_and_of_call_pass_unchanged() {
    let (mut service, mut handle) = mock::spawn_layer::<&str, &str, _>(FiberLayer::new());
    assert_ready_ok!(service.poll_ready());
    let mut response = task::spawn(service.call("request"));
    assert_pending!(response.poll());
    assert_request_eq!(handle, "request").send_error("from call");
    assert_eq!(assert_ready_err!(response.poll()).to_string(), "from call");
    handle.send_error("from poll_ready");
    assert_eq!(assert_ready_err!(service.poll_ready()).to_string(), "from poll_ready");
}

/// Ready once for each instance that was polled; its clone is not.
#[derive(Debug)]
struct ReadyOnce {
    ready: bool,
    instances: Arc<AtomicU32>,
    instance: u32,
}

impl Clone for ReadyOnce {
    fn clone(&self) -> Self {
        let instance = self.instances.fetch_add(1, Ordering::Relaxed) + 1;
        Self { ready: false, instances: Arc::clone(&self.instances), instance }
    }
}

impl Service<()> for ReadyOnce {
    type Response = u32;
    type Error = Infallible;
    type Future = std::future::Ready<Result<u32, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, (): ()) -> Self::Future {
        assert!(self.ready, "instance {} was called without being ready", self.instance);
        self.ready = false;
        std::future::ready(Ok(self.instance))
    }
}

#[tokio::test]
async fn the_ready_instance_is_the_one_called() {
    let inner = ReadyOnce { ready: false, instances: Arc::default(), instance: 0 };
    let mut service = FiberService::new(inner);
    assert_eq!(service.ready().await.unwrap().call(()).await, Ok(0));
    assert_eq!(service.ready().await.unwrap().call(()).await, Ok(1));
    let mut clone = service.clone();
    assert!(!clone.get_ref().ready, "a clone is not ready by inheritance");
    assert_eq!(clone.ready().await.unwrap().call(()).await, Ok(3));
}

#[tokio::test]
async fn state_belongs_to_the_layer() {
    let layer = FiberLayer::new().name("shared");
    let sleepy = || {
        sync_fn(|()| {
            tokio::task::yield_now().wait();
            Ok::<_, Infallible>(())
        })
    };
    let one = ServiceBuilder::new().layer(layer.clone()).service(sleepy());
    let two = ServiceBuilder::new().layer(layer.clone()).service(sleepy());
    let mut calls = [task::spawn(one.oneshot(())), task::spawn(two.oneshot(()))];
    for (n, call) in calls.iter_mut().enumerate() {
        assert_pending!(call.poll());
        assert_eq!(layer.handle().live(), n as u64 + 1);
    }
    assert_eq!(FiberLayer::new().handle().live(), 0);
    for call in &mut calls {
        assert_ready_ok!(call.poll());
    }
    assert_eq!(layer.handle().counters(), Default::default());
}

#[tokio::test]
async fn it_composes_with_other_layers() {
    let service = ServiceBuilder::new()
        .load_shed()
        .concurrency_limit(1)
        .layer(FiberLayer::new())
        .service(sync_fn(|n: u32| Ok::<_, Infallible>(async { n + 1 }.wait())));
    assert_eq!(service.oneshot(1).await.unwrap(), 2);
}
