//! A hundred requests at once, each of which asks a supplier that takes 100 ms.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use bookshop::legacy::{Quote, Supplier, SupplierError};
use bookshop::warehouse;
use tokio::sync::Mutex as AsyncMutex;
use tokio::task::JoinSet;

use self::harness::{Answer, TestShop, http_supplier, serve};

mod harness;

/// The two tests measure time, so they take turns.
static ONE_AT_A_TIME: AsyncMutex<()> = AsyncMutex::const_new(());

/// A supplier that notes on which thread it was asked, and on which it had its answer.
struct Noting<S> {
    inner: S,
    threads: Arc<Mutex<Vec<(ThreadId, ThreadId)>>>,
}

impl<S: Supplier> Supplier for Noting<S> {
    fn quote(&self, book_id: i32) -> Result<Quote, SupplierError> {
        let before = thread::current().id();
        let quote = self.inner.quote(book_id);
        let after = thread::current().id();
        self.threads.lock().unwrap().push((before, after));
        quote
    }
}

/// Sends the requests, checks every answer and the time, and returns the threads of the waits.
async fn a_hundred_at_once(path: &str, is_right: impl Fn(i32, &Answer) -> bool) -> Vec<(ThreadId, ThreadId)> {
    let warehouse = serve(warehouse::router(Duration::from_millis(100))).await;
    let threads = Arc::default();
    let supplier = Noting { inner: http_supplier(&warehouse), threads: Arc::clone(&threads) };
    let shop = Arc::new(TestShop::open(Arc::new(supplier)).await);

    let start = Instant::now();
    let mut requests = JoinSet::new();
    for id in 1..=100 {
        let (shop, path) = (shop.clone(), path.replace("{id}", &id.to_string()));
        requests.spawn(async move { (id, shop.get(&path).await) });
    }
    for (id, answer) in requests.join_all().await {
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(is_right(id, &answer), "{answer:?}");
    }
    let elapsed = start.elapsed();
    println!("100 requests for {path} took {elapsed:?}");
    assert!(elapsed >= Duration::from_millis(100), "{elapsed:?}");
    // One after the other they would take ten seconds.
    assert!(elapsed < Duration::from_secs(5), "{elapsed:?}");

    let readers = shop.database.pools().readers.status();
    assert_eq!(readers.available, readers.size, "all are back in the pool");
    let threads = threads.lock().unwrap();
    assert_eq!(threads.len(), 100, "each request asked the supplier once");
    threads.clone()
}

/// Asks first for the API's answer, then for the page, whose template asks the supplier.
async fn both_ways() -> [Vec<(ThreadId, ThreadId)>; 2] {
    let json = |id, answer: &Answer| answer.json()["offer"]["book_id"] == id;
    let page = |_, answer: &Answer| {
        answer.headers["content-type"] == "text/html; charset=utf-8"
            && answer.body.contains("in our supplier's warehouse")
    };
    [a_hundred_at_once("/api/books/{id}", json).await, a_hundred_at_once("/books/{id}", page).await]
}

#[tokio::test(flavor = "current_thread")]
async fn on_one_thread() {
    let _turn = ONE_AT_A_TIME.lock().await;
    let here = thread::current().id();
    for waits in both_ways().await {
        assert!(waits.iter().all(|&wait| wait == (here, here)), "{waits:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn on_many_threads() {
    let _turn = ONE_AT_A_TIME.lock().await;
    for waits in both_ways().await {
        assert!(waits.iter().all(|(before, after)| before == after), "a wait never changes its thread: {waits:?}");
        let threads: HashSet<_> = waits.into_iter().collect();
        let cores = thread::available_parallelism().unwrap().get();
        assert!(threads.len() <= cores, "{threads:?}");
    }
}
