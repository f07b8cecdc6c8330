//! The closure runs once per core, each on a thread and a runtime of its own.

use std::{
    collections::HashSet,
    convert::Infallible,
    future::{pending, ready},
    num::NonZeroUsize,
    rc::Rc,
    thread,
};

use tokio::{
    runtime::{Handle, RuntimeFlavor},
    task::{spawn_blocking, spawn_local, yield_now},
};
use tower_fiber::{per_core, per_core::PerCore};

use crate::harness::{ANY_PORT, each_way, in_time};

#[test]
fn each_has_a_thread_and_a_local_runtime() {
    each_way(|builder| {
        let server = builder.cores(3).thread_name("shop").bind(ANY_PORT).unwrap();
        assert_eq!(server.cores(), 3);
        let cores = server.run(pending(), |core, _listener| async move {
            // Neither the future nor its tasks are `Send`, and there is no `LocalSet`.
            let index = Rc::new(core.index());
            let seen = Rc::clone(&index);
            let task = spawn_local(async move {
                yield_now().await;
                (*seen, thread::current().id())
            });
            assert_eq!(task.await.unwrap(), (*index, thread::current().id()));
            assert_eq!(Handle::current().runtime_flavor(), RuntimeFlavor::CurrentThread);
            assert_eq!(core.count(), 3);
            assert_eq!(core.cpu(), None);
            let name = thread::current().name().unwrap().to_owned();
            Ok::<_, Infallible>((*index, name, thread::current().id(), Handle::current().id()))
        });
        let cores = cores.unwrap();
        let named: Vec<_> = cores.iter().map(|(index, name, ..)| (*index, name.as_str())).collect();
        assert_eq!(named, [(0, "shop-0"), (1, "shop-1"), (2, "shop-2")]);
        assert_eq!(cores.iter().map(|(_, _, thread, _)| thread).collect::<HashSet<_>>().len(), 3);
        assert_eq!(cores.iter().map(|(_, _, _, runtime)| runtime).collect::<HashSet<_>>().len(), 3);
        assert!(cores.iter().all(|(_, _, thread, _)| *thread != thread::current().id()));
    });
}

#[test]
fn there_are_as_many_as_the_machine_has() {
    in_time(|| {
        let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        assert_eq!(PerCore::bind(ANY_PORT).unwrap().cores(), cores);
        let indices = per_core(ANY_PORT, pending(), |core, _listener| ready(Ok::<_, Infallible>(core.index())));
        assert_eq!(indices.unwrap(), (0..cores).collect::<Vec<_>>());
    });
}

#[test]
fn the_closure_may_borrow() {
    each_way(|builder| {
        let greeting = String::from("hello");
        let server = builder.cores(2).bind(ANY_PORT).unwrap();
        let greetings =
            server.run(pending(), |core, _| ready(Ok::<_, Infallible>(format!("{greeting} {}", core.index()))));
        assert_eq!(greetings.unwrap(), ["hello 0", "hello 1"]);
    });
}

#[test]
fn async_code_is_refused_before_a_core_starts() {
    in_time(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let ran = runtime.block_on(async {
            let (started, starts) = std::sync::mpsc::channel();
            let panicked = std::panic::catch_unwind(move || {
                let server = PerCore::bind(ANY_PORT).unwrap();
                server.run(pending(), |_, _| ready(started.send(())))
            });
            assert!(panicked.is_err());
            let refused = starts.try_recv().is_err();
            // A thread for blocking functions is the place for it.
            let server = PerCore::builder().cores(2).bind(ANY_PORT).unwrap();
            let run = spawn_blocking(|| server.run(pending(), |_, _| ready(Ok::<_, Infallible>(()))));
            run.await.unwrap().unwrap();
            refused
        });
        assert!(ran);
    });
}
