//! What owns services and keeps them ready: `Buffer`, `Steer`, `Balance`, `SpawnReady`.

use tower::{
    Layer as _, Service as _, ServiceBuilder, ServiceExt as _, balance::p2c::Balance, buffer::Buffer,
    discover::ServiceList, load::Constant, spawn_ready::SpawnReady, steer::Steer,
};

use crate::harness::{Any, any, each};

#[test]
fn over_a_buffer() {
    for bound in [1, 4] {
        each(2, move |limited| async move {
            let inner = ServiceBuilder::new().concurrency_limit(1).service(limited.service());
            limited.all_end(any(limited.layer.layer(Buffer::new(inner, bound))), 30).await;
        });
    }
}

#[test]
fn under_a_buffer() {
    for bound in [1, 4] {
        each(2, move |limited| async move {
            let inner = limited.layer.layer(limited.service());
            limited.all_end(any(Buffer::new(inner, bound)), 30).await;
        });
    }
}

/// Its worker has a ready service while nobody calls.
#[test]
fn under_several_buffers() {
    each(1, |limited| async move {
        let service = || any(Buffer::new(limited.layer.layer(limited.service()), 1));
        let (first, second) = (service(), service());
        assert_eq!(first.clone().oneshot(1).await.unwrap(), 1);
        assert_eq!(second.clone().oneshot(2).await.unwrap(), 2);
        for _ in 0..10 {
            let (one, two) = tokio::join!(first.clone().oneshot(1), second.clone().oneshot(2));
            assert_eq!((one.unwrap(), two.unwrap()), (1, 2));
        }
        drop((first, second));
        limited.assert_bound(1).await;
    });
}

fn by_number(n: &u32, services: &[Any]) -> usize {
    *n as usize % services.len()
}

type ByNumber = fn(&u32, &[Any]) -> usize;

/// It has all its services ready before it calls one.
#[test]
fn steer_over_two_services_of_one_layer() {
    each(1, |limited| async move {
        let services = [(); 2].map(|()| any(limited.layer.layer(limited.service())));
        let mut steer = Steer::new(services, by_number as ByNumber);
        for n in 0..6 {
            assert_eq!(steer.ready().await.unwrap().call(n).await.unwrap(), n);
        }
        let service = any(Buffer::new(steer, 2));
        limited.all_end(service, 20).await;
    });
}

/// It keeps services ready that it does not call.
#[test]
fn balance_over_services_of_one_layer() {
    each(1, |limited| async move {
        let services = [(); 3].map(|()| Constant::new(any(limited.layer.layer(limited.service())), 1_u32));
        let balance = Balance::new(ServiceList::new::<u32>(services));
        limited.all_end(any(Buffer::new(balance, 2)), 20).await;
    });
}

#[test]
fn over_a_balance() {
    each(1, |limited| async move {
        let inner = || ServiceBuilder::new().concurrency_limit(1).service(limited.service());
        let balance = Balance::new(ServiceList::new::<u32>([(); 3].map(|()| Constant::new(inner(), 1_u32))));
        limited.all_end(any(limited.layer.layer(Buffer::new(balance, 2))), 20).await;
    });
}

#[test]
fn under_and_over_a_task_that_drives_readiness() {
    each(1, |limited| async move {
        let spawn_ready = SpawnReady::new(limited.layer.layer(limited.service()));
        limited.all_end(any(Buffer::new(spawn_ready, 2)), 20).await;
    });
}
