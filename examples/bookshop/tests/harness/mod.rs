//! A shop of its own for each test: its database, its supplier, its loopback socket.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use bookshop::bridge::HttpSupplier;
use bookshop::db::TemporaryDatabase;
use bookshop::legacy::{Shop, Supplier};
use bookshop::web;
use reqwest::header::HeaderMap;
use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::Value;
use tokio::net::TcpListener;

/// A shop that serves on a real socket.
pub(crate) struct TestShop {
    pub(crate) database: TemporaryDatabase,
    pub(crate) client: Client,
    pub(crate) url: String,
}

/// What the shop answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl TestShop {
    /// Opens a shop that buys from `supplier`.
    pub(crate) async fn open(supplier: Arc<dyn Supplier>) -> Self {
        let database = TemporaryDatabase::create().await.unwrap();
        let shop = Shop::new(Arc::new(database.pools()), supplier);
        Self {
            database,
            client: Client::builder().no_proxy().build().unwrap(),
            url: serve(web::router(Arc::new(shop), &web::layers())).await,
        }
    }

    /// Asks for a path.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        answer(self.client.get(format!("{}{path}", self.url))).await
    }
}

impl Answer {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.headers["content-type"], "application/json");
        serde_json::from_str(&self.body).unwrap()
    }
}

/// Sends a request and reads all of the answer.
pub(crate) async fn answer(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    Answer { status: response.status(), headers: response.headers().clone(), body: response.text().await.unwrap() }
}

/// Serves a router on a port of its own until the runtime ends, and returns its address.
pub(crate) async fn serve(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async { axum::serve(listener, router).await });
    url
}

/// A supplier at an address, with a timeout that no good test reaches.
pub(crate) fn http_supplier(url: &str) -> HttpSupplier {
    HttpSupplier::new(url, Duration::from_secs(30)).unwrap()
}
