//! Input that makes no sense gets a clear refusal and changes nothing.

use serde_json::{Value, json};

use crate::harness::{Answer, TestShop};
use crate::post::order;

const FORM: &str = "application/x-www-form-urlencoded";

/// The API refused with this status, and with a message that has `text` in it.
fn assert_refused(answer: &Answer, status: u16, text: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    let error = &answer.json()["error"];
    assert_eq!(error["status"], status);
    let message = error["message"].as_str().expect("a message");
    assert!(message.contains(text), "{message:?} lacks {text:?}");
}

/// A page refused with this status, and with `text` in it.
fn assert_page_refused(answer: &Answer, status: u16, text: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.headers["content-type"], "text/html; charset=utf-8");
    assert!(answer.body.contains(text), "{} lacks {text:?}", answer.body);
}

#[tokio::test]
async fn unknown_ids_are_not_found() {
    let shop = TestShop::with_quick_supplier().await;
    for (path, text) in [
        ("/api/books/9999", "there is no book 9999"),
        ("/api/books/-1", "there is no book -1"),
        ("/api/orders/1", "there is no order 1"),
        ("/api/nonsense", "there is nothing at /api/nonsense"),
    ] {
        assert_refused(&shop.get(path).await, 404, text);
    }
    for (path, text) in [
        ("/books/9999", "there is no book 9999"),
        ("/orders/1", "there is no order 1"),
        ("/nonsense", "there is nothing at &#x2f;nonsense"),
    ] {
        assert_page_refused(&shop.get(path).await, 404, text);
    }
}

#[tokio::test]
async fn ids_and_queries_that_make_no_sense_are_bad_requests() {
    let shop = TestShop::with_quick_supplier().await;
    for (path, text) in [
        ("/api/books/abc", "Cannot parse `abc`"),
        ("/api/books/99999999999", "Cannot parse `99999999999`"),
        ("/api/books/%FF", "Invalid UTF-8"),
        ("/api/orders/%20", "Cannot parse ` `"),
        ("/api/books?q=a&q=b", "duplicate field `q`"),
    ] {
        assert_refused(&shop.get(path).await, 400, text);
    }
    for (path, text) in [("/books/abc", "Cannot parse `abc`"), ("/search?q=a&q=b", "duplicate field `q`")] {
        assert_page_refused(&shop.get(path).await, 400, text);
    }
}

#[tokio::test]
async fn a_wrong_method_is_refused() {
    let shop = TestShop::with_quick_supplier().await;
    let answer = shop.get("/api/orders").await;
    assert_refused(&answer, 405, "/api/orders does not take GET");
    assert_eq!(answer.headers["allow"], "POST");
    let answer = shop.post_json("/books/7", &json!({})).await;
    assert_page_refused(&answer, 405, "does not take POST");
}

#[tokio::test]
async fn a_search_has_limits() {
    let shop = TestShop::with_quick_supplier().await;
    let long = "x".repeat(101);
    assert_refused(&shop.get(&format!("/api/books?q={long}")).await, 422, "at most 100 characters");
    let answer = shop.get("/search?q=a%00b").await;
    assert_page_refused(&answer, 422, "at most 100 characters");
    let answer = shop.get("/api/books?q=a&q=b").await;
    assert_refused(&answer, 400, "duplicate field `q`");
}

#[tokio::test]
async fn orders_that_make_no_sense_change_nothing() {
    let shop = TestShop::with_quick_supplier().await;
    let before = shop.rows();
    let line = |book_id: i64, quantity: i64| json!({ "book_id": book_id, "quantity": quantity });
    let lines = |lines: Value| json!({ "customer": "Ada", "lines": lines });
    let named = |name: &str| json!({ "customer": name, "lines": [line(1, 1)] });
    let many: Vec<Value> = (1..=21).map(|id| line(id, 1)).collect();

    for (body, status, text) in [
        (order(9999, 1), 404, "there is no book 9999"),
        (order(1, 0), 422, "quantity must be 1 to 99, not 0"),
        (order(1, -3), 422, "quantity must be 1 to 99, not -3"),
        (order(1, 100), 422, "quantity must be 1 to 99, not 100"),
        (lines(json!([])), 422, "1 to 20 lines"),
        (lines(json!(many)), 422, "1 to 20 lines"),
        (lines(json!([line(1, 1 << 40)])), 422, "lines[0].quantity"),
        (lines(json!([line(1, 1), line(1, 2)])), 422, "book 1 must be on one line only"),
        (named(" "), 422, "customer must be a name"),
        (named(&"x".repeat(101)), 422, "customer must be a name"),
        (named("A\u{0}da"), 422, "customer must be a name"),
        (json!({ "customer": "Ada" }), 422, "missing field `lines`"),
        (json!([]), 422, "invalid length 0"),
    ] {
        let answer = shop.post_json("/api/orders", &body).await;
        assert_refused(&answer, status, text);
        assert_eq!(shop.rows(), before, "{body} changed something");
    }
}

#[tokio::test]
async fn bodies_that_are_no_json_change_nothing() {
    let shop = TestShop::with_quick_supplier().await;
    let before = shop.rows();
    let json = "application/json";
    let valid = r#"{"customer": "Ada", "lines": [{"book_id": 1, "quantity": 1}]}"#;
    for (kind, body, status, text) in [
        (json, r#"{"customer": "Ada", "#, 400, "Failed to parse"),
        (json, "", 400, "EOF"),
        (json, "quantity=1", 400, "Failed to parse"),
        ("text/plain", valid, 415, "application/json"),
    ] {
        let answer = shop.post_text("/api/orders", kind, body).await;
        assert_refused(&answer, status, text);
        assert_eq!(shop.rows(), before, "{body} changed something");
    }
    let answer = shop.post_text("/api/orders", json, valid).await;
    assert_eq!(answer.status, 201, "the same body as what it is");
}

#[tokio::test]
async fn more_than_there_is_changes_nothing() {
    let shop = TestShop::with_quick_supplier().await;
    let before = shop.rows();
    let (sold_out, scarce) = (10, 1);
    let left = before.copies(scarce);
    assert_eq!(before.copies(sold_out), 0);

    let answer = shop.post_json("/api/orders", &order(scarce, left + 1)).await;
    let text = format!("only {left} of the {} ordered copies", left + 1);
    assert_refused(&answer, 409, &text);
    assert_eq!(shop.rows(), before);

    // The first line is in stock: it must go back when the second is refused.
    let body = json!({
        "customer": "Ada",
        "lines": [{ "book_id": scarce, "quantity": 1 }, { "book_id": sold_out, "quantity": 1 }],
    });
    let answer = shop.post_json("/api/orders", &body).await;
    assert_refused(&answer, 409, "only 0 of the 1 ordered copies of book 10");
    assert_eq!(shop.rows(), before);
}

#[tokio::test]
async fn forms_that_make_no_sense_change_nothing() {
    let shop = TestShop::with_quick_supplier().await;
    let before = shop.rows();
    for (form, status, text) in [
        ("book_id=1&quantity=0&customer=Ada", 422, "1 to 99, not 0"),
        ("book_id=1&quantity=1&customer=", 422, "must be a name"),
        ("book_id=9999&quantity=1&customer=Ada", 404, "no book 9999"),
        ("book_id=10&quantity=1&customer=Ada", 409, "only 0 of the 1"),
        ("book_id=1&quantity=many&customer=Ada", 422, "quantity"),
        ("book_id=1", 422, "missing field"),
    ] {
        let answer = shop.post_text("/orders", FORM, form).await;
        assert_page_refused(&answer, status, text);
        assert_eq!(shop.rows(), before, "{form} changed something");
    }
}
