//! Ways to send something to a shop.

use std::sync::Arc;
use std::time::Duration;

use bookshop::warehouse;
use serde_json::{Value, json};

use crate::harness::{Answer, TestShop, answer, http_supplier, serve};

impl TestShop {
    /// Opens a shop whose supplier answers at once.
    pub(crate) async fn with_quick_supplier() -> Self {
        let warehouse = serve(warehouse::router(Duration::ZERO)).await;
        Self::open(Arc::new(http_supplier(&warehouse))).await
    }

    /// Sends JSON.
    pub(crate) async fn post_json(&self, path: &str, body: &Value) -> Answer {
        answer(self.client.post(format!("{}{path}", self.url)).json(body)).await
    }

    /// Sends a text, as what it is said to be.
    pub(crate) async fn post_text(&self, path: &str, kind: &str, body: &'static str) -> Answer {
        let request = self.client.post(format!("{}{path}", self.url));
        answer(request.header("content-type", kind).body(body)).await
    }
}

/// An order of one line.
pub(crate) fn order(book_id: i32, quantity: i32) -> Value {
    json!({ "customer": "Ada", "lines": [{ "book_id": book_id, "quantity": quantity }] })
}
