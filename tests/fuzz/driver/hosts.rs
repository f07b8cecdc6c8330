//! The runtimes on which scripts run.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, LazyLock},
};

use tokio::{
    runtime::{Builder, Runtime},
    task::{LocalSet, spawn_local},
};
use tower_fiber::{FiberLayer, FiberPool, Placement};

use super::{
    script::{Host, Script},
    stage::Stage,
};

/// What lasts, since a script takes less time than threads need to begin.
static POOL: LazyLock<FiberPool> = LazyLock::new(|| FiberPool::builder().worker_threads(2).build().unwrap());
static THREADS: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap());

/// Runs it to its end.
pub(crate) fn run(script: &Script) -> Arc<Stage> {
    let builder = FiberLayer::builder().stack_size(1024 * 1024);
    let builder = match script.host {
        Host::Task | Host::Block => builder,
        Host::Set => builder.placement(Placement::InPlace),
        Host::Pool => builder.placement(POOL.clone()),
    };
    let stage = Stage::new(script.host, script.layers.clone(), &builder);
    let driven = catch_unwind(AssertUnwindSafe(|| match script.host {
        Host::Set => in_set(&THREADS, &stage, script),
        Host::Task => in_set(&one_thread(), &stage, script),
        Host::Block | Host::Pool => one_thread().block_on(drive(Arc::clone(&stage), script.clone())),
    }));
    if driven.is_err() {
        stage.ledger.fail("a panic has come to the runtime");
    }
    stage.finish();
    stage
}

fn in_set(runtime: &Runtime, stage: &Arc<Stage>, script: &Script) {
    let driver = drive(Arc::clone(stage), script.clone());
    LocalSet::new().block_on(runtime, async { spawn_local(driver).await.expect("the driver catches panics") });
}

fn one_thread() -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

async fn drive(stage: Arc<Stage>, script: Script) {
    for operation in &script.operations {
        stage.apply(operation).await;
    }
    stage.end(script.ending).await;
}
