//! The kinds of server that are compared, each with the same paths.

use std::{
    future::{Future, IntoFuture as _, pending},
    hint::black_box,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::{Path, Query},
    routing::get,
};
use bookshop::{legacy::Shop, web};
use tokio::{
    net::TcpListener,
    runtime::{Builder, Handle},
    task::spawn_blocking,
    time::sleep,
};
use tokio_util::task::LocalPoolHandle;
use tower_fiber::{WaitExt as _, axum::fiber, block_on_waits, per_core::PerCore};

use crate::{Result, server, shop::Opened};

/// Runs the kind of server that is called `name`, until the process is ended.
pub(crate) fn serve(name: &str) -> Result<()> {
    // Kept to the end: the shop's files are removed with it.
    let opened = Opened::new()?;
    let shop = opened.shop();
    match name {
        "native" => multi_thread(native()),
        "native_spawn" => multi_thread(native_spawn()),
        "per_core" => once_per_core(fibers(shop)),
        "pool" => multi_thread(fibers(shop)),
        "spawn_blocking" => multi_thread(blocking(shop)),
        "local_pool" => multi_thread(local_pool()),
        _ => Err(format!("there is no kind `{name}`").into()),
    }
}

fn once_per_core(router: Router) -> Result<()> {
    let server = PerCore::bind((Ipv4Addr::LOCALHOST, 0))?;
    server::announce(server.local_addr());
    server.run(pending(), |_, listener| axum::serve(listener, router.clone()))?;
    Ok(())
}

fn multi_thread(router: Router) -> Result<()> {
    Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
        server::announce(listener.local_addr()?);
        Ok(axum::serve(listener, router).into_future().await?)
    })
}

const HELLO: &str = "Hello, World!";
const DONE: &str = "done";

/// Work for the CPU that yields to nobody.
fn burn(Path(millis): Path<u64>) -> &'static str {
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_millis(millis) {
        black_box(());
    }
    DONE
}

async fn wait_async(millis: u64) -> &'static str {
    sleep(Duration::from_millis(millis)).await;
    DONE
}

/// Async handlers. The bookshop cannot be had like this: its pages and queries are synchronous.
fn native() -> Router {
    Router::new()
        .route("/hello", get(async || HELLO))
        .route("/wait/{millis}", get(async |Path(millis)| wait_async(millis).await))
        .route("/burn/{millis}", get(async |millis| burn(millis)))
}

/// Async handlers that hop to another task, as whatever hands work to a scheduler has to.
fn native_spawn() -> Router {
    async fn hop<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> T {
        tokio::spawn(future).await.expect("no handler panics")
    }
    Router::new()
        .route("/hello", get(async || hop(async { HELLO }).await))
        .route("/wait/{millis}", get(async |Path(millis)| hop(wait_async(millis)).await))
}

/// Plain functions in fibers, placed by the runtime's flavor: per core in place, else on the pool.
fn fibers(shop: Arc<Shop>) -> Router {
    let wait = |Path(millis)| {
        sleep(Duration::from_millis(millis)).wait();
        DONE
    };
    web::router(shop, &web::layers())
        .route("/hello", get(fiber(|| HELLO)))
        .route("/wait/{millis}", get(fiber(wait)))
        .route("/burn/{millis}", get(fiber(burn)))
}

/// Plain functions on blocking threads.
fn blocking(shop: Arc<Shop>) -> Router {
    async fn run<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> T {
        spawn_blocking(f).await.expect("no handler panics")
    }
    let wait = async |Path(millis)| {
        let runtime = Handle::current();
        run(move || runtime.block_on(wait_async(millis))).await
    };
    let search = async move |Query(query): Query<Vec<(String, String)>>| {
        let shop = Arc::clone(&shop);
        let page = run(move || block_on_waits(|| shop.pages.search(&query[0].1))).await;
        axum::response::Html(page.expect("a search of the sample books"))
    };
    Router::new()
        .route("/hello", get(async || run(|| HELLO).await))
        .route("/wait/{millis}", get(wait))
        .route("/search", get(search))
}

/// Async handlers on pinned threads of tokio-util.
fn local_pool() -> Router {
    let pool = LocalPoolHandle::new(thread::available_parallelism().map_or(1, usize::from));
    let pool_of_waits = pool.clone();
    let hello = async move || pool.spawn_pinned(async || HELLO).await.expect("no handler panics");
    let wait = async move |Path(millis)| {
        pool_of_waits.spawn_pinned(move || wait_async(millis)).await.expect("no handler panics")
    };
    Router::new().route("/hello", get(hello)).route("/wait/{millis}", get(wait))
}
