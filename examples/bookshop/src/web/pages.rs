//! The pages, by plain functions.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{Html, Redirect};
use serde::Deserialize;

use super::error::PageError;
use super::extract::{PageForm, PagePath, PageQuery};
use crate::legacy::Shop;
use crate::legacy::models::{NewLine, NewOrder};

type Page = Result<Html<String>, PageError>;

#[derive(Deserialize)]
pub(crate) struct Search {
    #[serde(default)]
    q: String,
}

#[derive(Deserialize)]
pub(crate) struct Purchase {
    book_id: i32,
    quantity: i32,
    customer: String,
}

pub(crate) fn home(State(shop): State<Arc<Shop>>) -> Page {
    Ok(Html(shop.pages.home()?))
}

pub(crate) fn search(State(shop): State<Arc<Shop>>, PageQuery(search): PageQuery<Search>) -> Page {
    Ok(Html(shop.pages.search(&search.q)?))
}

pub(crate) fn book(State(shop): State<Arc<Shop>>, PagePath(id): PagePath<i32>) -> Page {
    Ok(Html(shop.pages.book(id)?))
}

/// Buys, then sends the browser to the order's own page, so that a reload does not buy again.
pub(crate) fn buy(
    State(shop): State<Arc<Shop>>,
    PageForm(purchase): PageForm<Purchase>,
) -> Result<Redirect, PageError> {
    let receipt = shop.orders.place(&NewOrder {
        customer: purchase.customer,
        lines: vec![NewLine { book_id: purchase.book_id, quantity: purchase.quantity }],
    })?;
    Ok(Redirect::to(&format!("/orders/{}", receipt.order.id)))
}

pub(crate) fn order(State(shop): State<Arc<Shop>>, PagePath(id): PagePath<i32>) -> Page {
    Ok(Html(shop.pages.order(&shop.orders.find(id)?)?))
}
