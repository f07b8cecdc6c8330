//! A supplier that is down, silent or confused: the shop says so, and sells nothing.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use bookshop::bridge::HttpSupplier;
use tokio::net::{TcpListener, TcpSocket};

use crate::harness::{TestShop, http_supplier, serve};
use crate::post::order;

const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Whatever needs the supplier fails clearly and changes nothing; whatever does not still works.
async fn assert_closed_for_business(supplier: HttpSupplier) {
    let shop = TestShop::open(Arc::new(supplier)).await;
    let before = shop.rows();
    let text = "our supplier does not answer";

    for answer in [shop.get("/api/books/7").await, shop.post_json("/api/orders", &order(7, 1)).await] {
        assert_eq!(answer.status, 503, "{answer:?}");
        let error = &answer.json()["error"];
        assert_eq!(error["status"], 503);
        let message = error["message"].as_str().expect("a message");
        assert!(message.contains(text), "{message}");
    }
    let form = "book_id=7&quantity=1&customer=Ada";
    let form = shop.post_text("/orders", "application/x-www-form-urlencoded", form);
    // The page fails in the middle of its template.
    for answer in [shop.get("/books/7").await, form.await] {
        assert_eq!(answer.status, 503, "{answer:?}");
        assert!(answer.body.contains(text), "{}", answer.body);
        assert!(!answer.body.contains("in our supplier's warehouse"));
    }
    assert_eq!(shop.rows(), before);

    assert_eq!(shop.get("/").await.status, 200);
    assert_eq!(shop.get("/search?q=garden").await.status, 200);
    assert_eq!(shop.get("/books/9999").await.status, 404);
}

#[tokio::test]
async fn a_supplier_that_is_down() {
    // A bound socket that does not listen keeps its port and refuses every connection.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(LOOPBACK).unwrap();
    let url = format!("http://{}", socket.local_addr().unwrap());
    assert_closed_for_business(http_supplier(&url)).await;
}

#[tokio::test]
async fn a_supplier_that_is_silent() {
    let listener = TcpListener::bind(LOOPBACK).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let supplier = HttpSupplier::new(url, Duration::from_millis(50)).unwrap();
    assert_closed_for_business(supplier).await;
}

#[tokio::test]
async fn a_supplier_that_fails() {
    let url = serve(Router::new()).await;
    assert_closed_for_business(http_supplier(&url)).await;
}

#[tokio::test]
async fn a_supplier_that_talks_nonsense() {
    let nonsense = Router::new().route("/quotes/{id}", get(async || "{\"book_id\": \"seven\"}"));
    let url = serve(nonsense).await;
    assert_closed_for_business(http_supplier(&url)).await;
}
