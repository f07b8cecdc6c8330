//! The JSON API, by plain functions.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};

use super::error::ApiError;
use super::extract::{ApiJson, ApiPath, ApiQuery};
use crate::legacy::models::{Listing, NewOrder, Receipt};
use crate::legacy::{Quote, Shop};

#[derive(Deserialize)]
pub(crate) struct Search {
    #[serde(default)]
    q: String,
}

#[derive(Serialize)]
pub(crate) struct SearchAnswer {
    total: i64,
    books: Vec<Listing>,
}

#[derive(Serialize)]
pub(crate) struct BookAnswer {
    #[serde(flatten)]
    book: Listing,
    copies: i32,
    offer: Quote,
}

pub(crate) fn search(
    State(shop): State<Arc<Shop>>,
    ApiQuery(search): ApiQuery<Search>,
) -> Result<Json<SearchAnswer>, ApiError> {
    let found = shop.catalogue.search(&search.q)?;
    Ok(Json(SearchAnswer { total: found.total, books: found.books }))
}

pub(crate) fn book(State(shop): State<Arc<Shop>>, ApiPath(id): ApiPath<i32>) -> Result<Json<BookAnswer>, ApiError> {
    let book = shop.catalogue.book(id)?;
    let copies = shop.catalogue.copies(id)?;
    let offer = shop.catalogue.quote(id)?;
    Ok(Json(BookAnswer { book, copies, offer }))
}

pub(crate) fn place_order(
    State(shop): State<Arc<Shop>>,
    ApiJson(order): ApiJson<NewOrder>,
) -> Result<impl IntoResponse, ApiError> {
    let receipt = shop.orders.place(&order)?;
    let location = format!("/api/orders/{}", receipt.order.id);
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(receipt)))
}

pub(crate) fn order(State(shop): State<Arc<Shop>>, ApiPath(id): ApiPath<i32>) -> Result<Json<Receipt>, ApiError> {
    Ok(Json(shop.orders.find(id)?))
}
