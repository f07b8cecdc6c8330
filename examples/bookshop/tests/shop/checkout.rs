//! What is sold is written, once, and never more than there is.

use std::sync::Arc;
use std::time::Duration;

use bookshop::legacy::{Quote, Supplier, SupplierError};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tower_fiber::WaitExt;

use crate::harness::TestShop;
use crate::post::order;

/// Today's price at the supplier, in cents.
async fn price(shop: &TestShop, book_id: i32) -> i32 {
    let book = shop.get(&format!("/api/books/{book_id}")).await.json();
    let cents = book["offer"]["price_cents"].as_i64().expect("a price");
    cents.try_into().unwrap()
}

#[tokio::test]
async fn an_order_is_priced_written_and_taken_from_the_shelf() {
    let shop = TestShop::with_quick_supplier().await;
    let before = shop.rows();
    let (two, nine) = (price(&shop, 2).await, price(&shop, 9).await);
    assert_ne!(two, nine);

    let body = json!({
        "customer": "  Ada  ",
        "lines": [{ "book_id": 9, "quantity": 1 }, { "book_id": 2, "quantity": 3 }],
    });
    let placed = shop.post_json("/api/orders", &body).await;

    assert_eq!(placed.status, 201, "{placed:?}");
    assert_eq!(placed.headers["location"], "/api/orders/1");
    let receipt = placed.json();
    let total = nine + 3 * two;
    assert_eq!(receipt["id"], 1);
    assert_eq!(receipt["customer"], "Ada");
    assert_eq!(receipt["total_cents"], total);
    let lines = json!([
        { "book_id": 2, "quantity": 3, "price_cents": two },
        { "book_id": 9, "quantity": 1, "price_cents": nine },
    ]);
    assert_eq!(receipt["lines"], lines);

    let found = shop.get("/api/orders/1").await;
    assert_eq!(found.status, 200);
    assert_eq!(found.json(), receipt);

    let after = shop.rows();
    assert_eq!(after.copies(9), before.copies(9) - 1);
    assert_eq!(after.copies(2), before.copies(2) - 3);
    let sold: i32 = (before.stock.iter().zip(&after.stock)).map(|(before, after)| before.1 - after.1).sum();
    assert_eq!(sold, 4, "no other book was touched");
    assert_eq!(after.orders, [(1, "Ada".to_owned(), total.into())]);
    assert_eq!(after.lines, [(1, 2, 3, two), (1, 9, 1, nine)]);
}

#[tokio::test]
async fn the_form_leads_to_the_page_of_the_order() {
    let shop = TestShop::with_quick_supplier().await;
    let before = shop.rows().copies(7);

    let form = "book_id=7&quantity=2&customer=Ada+%3Cb%3E";
    let bought = shop.post_text("/orders", "application/x-www-form-urlencoded", form).await;

    // The client has followed the redirect.
    assert_eq!(bought.status, 200, "{bought:?}");
    assert!(bought.body.contains("Thank you, Ada &lt;b&gt;"));
    assert!(bought.body.contains("your order number 1"));
    assert_eq!(shop.rows().copies(7), before - 2);
}

#[tokio::test]
async fn the_last_copies_are_sold_once_on_one_thread() {
    the_last_copies_are_sold_once().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_copies_are_sold_once_on_many_threads() {
    the_last_copies_are_sold_once().await;
}

async fn the_last_copies_are_sold_once() {
    let shop = Arc::new(TestShop::with_quick_supplier().await);
    let before = shop.rows();
    let (scarce, plenty) = (12, 11);
    let copies = before.copies(scarce);
    assert!((1..40).contains(&copies));

    // Each order takes the plentiful book first, so that a refusal has something to put back.
    let body = json!({
        "customer": "Ada",
        "lines": [{ "book_id": plenty, "quantity": 1 }, { "book_id": scarce, "quantity": 1 }],
    });
    assert!(before.copies(plenty) >= copies);
    let mut checkouts = JoinSet::new();
    for _ in 0..40 {
        let (shop, body) = (shop.clone(), body.clone());
        checkouts.spawn(async move { shop.post_json("/api/orders", &body).await.status });
    }
    let statuses = checkouts.join_all().await;

    let sold = statuses.iter().filter(|status| **status == 201).count();
    let refused = statuses.iter().filter(|status| **status == 409).count();
    assert_eq!(i32::try_from(sold), Ok(copies), "{statuses:?}");
    assert_eq!(sold + refused, 40, "{statuses:?}");
    let after = shop.rows();
    assert_eq!(after.copies(scarce), 0);
    assert_eq!(after.copies(plenty), before.copies(plenty) - copies);
    assert_eq!(after.orders.len(), sold);
    assert_eq!(after.lines.len(), 2 * sold);
}

#[tokio::test(flavor = "multi_thread")]
async fn searches_go_on_beside_a_crowd_at_the_checkout() {
    let shop = Arc::new(TestShop::with_quick_supplier().await);
    let mut requests = JoinSet::new();
    for n in 0..100 {
        let shop = shop.clone();
        requests.spawn(async move {
            let book_id = n % 9 + 1;
            let answer = match n % 2 {
                0 => shop.post_json("/api/orders", &order(book_id, 1)).await,
                _ => shop.get("/search?q=garden").await,
            };
            answer.status
        });
    }
    let answers = requests.join_all().await;
    // A locked database would be an internal error. On a slow machine some wait too long for their turn to write.
    for status in &answers {
        assert!([200, 201, 409, 503].contains(&status.as_u16()), "{status}");
    }
    assert!([200, 201].iter().all(|status| answers.iter().any(|answer| answer == status)), "{answers:?}");
}

/// A supplier that answers when it is told to.
#[derive(Default)]
struct Gate {
    asked: Notify,
    open: Notify,
}

impl Supplier for Gate {
    fn quote(&self, book_id: i32) -> Result<Quote, SupplierError> {
        self.asked.notify_one();
        self.open.notified().wait();
        Ok(Quote { book_id, price_cents: 1000, available: 1 })
    }
}

#[tokio::test]
async fn an_order_is_finished_although_the_customer_hangs_up() {
    let gate = Arc::new(Gate::default());
    let shop = TestShop::open(gate.clone()).await;
    let before = shop.rows();

    let body = order(7, 1).to_string();
    let head = "POST /api/orders HTTP/1.1\r\nhost: shop\r\ncontent-type: application/json\r\n";
    let request = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
    let address = shop.url.strip_prefix("http://").unwrap();
    let mut customer = TcpStream::connect(address).await.unwrap();
    customer.write_all(request.as_bytes()).await.unwrap();
    gate.asked.notified().await;
    drop(customer);
    // The server sees the end of the connection while it answers others.
    for _ in 0..10 {
        assert_eq!(shop.get("/healthz").await.status, 200);
    }
    assert_eq!(shop.rows(), before);
    gate.open.notify_one();

    // As on a thread of its own, the checkout runs to its end.
    let finished = async { while shop.get("/api/orders/1").await.status != 200 {} };
    timeout(Duration::from_secs(10), finished).await.expect("the order is finished");
    let after = shop.rows();
    assert_eq!(after.copies(7), before.copies(7) - 1);
    assert_eq!(after.lines, [(1, 7, 1, 1000)]);
}
