//! Routes that show where fibers wait.

use std::sync::Arc;

use axum::{
    Router,
    extract::{OriginalUri, Path, State},
    http::{HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};

use self::{page::Links, snapshot::Snapshot};
use crate::{
    diagnostics::dump_one,
    fiber::FiberId,
    layer::{FiberHandle, Observed},
};

mod json;
mod page;
mod snapshot;
mod text;

/// Nothing but the page's own style is loaded, and nothing in it runs.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const STYLE: &str = include_str!("style.css");

/// Routes that show where the fibers of these layers wait (feature `insight`): a page for browsers that refreshes
/// itself every two seconds, and the same for programs.
///
/// | route | what it returns |
/// |---|---|
/// | `/` | the page: for each layer its [counters](crate::Counters), and its fibers by the places where they wait |
/// | `/json` | the same as JSON, in one line |
/// | `/text` | the same as plain text |
/// | `/backtrace/{id}` | a page with the functions that one fiber is in, which wakes it as [`dump_with_backtraces`](FiberHandle::dump_with_backtraces) does; 404 if it does not wait or has ended |
/// | `/style.css` | the page's style |
///
/// Fibers of one function that wait in the same place are one row, with their number and ages. Those that have lost
/// their callers have a row of their own. Of each layer the 100 places with the most fibers are listed, and of each
/// place the five oldest fibers; of all others only the number is shown, so that an answer stays small when 100,000
/// fibers wait. Fibers that have not waited yet are only counted.
///
/// The handlers are async. They are no fibers, so no `max_fibers` holds them back and no counter counts them, unless
/// the router that they are in is inside a [`FiberLayer`](crate::FiberLayer): add them outside it. All answers have the
/// headers `Cache-Control: no-store`, `Content-Security-Policy` and `X-Content-Type-Options`. The page has no script
/// and loads nothing from elsewhere.
///
/// # Who should see it
///
/// The page shows names of functions, files, lines and threads, and for each request the server's thread goes through
/// all fibers of the layers. Nest it behind your authentication, or serve it on a listener that only
/// operators reach.
///
/// # Examples
///
/// ```
/// use axum::{Router, routing::get};
/// use tower_fiber::{FiberLayer, axum::{fiber_with, insight_routes}};
///
/// let pages = FiberLayer::new().name("pages");
/// let app: Router = Router::new()
///     .route("/", get(fiber_with(&pages, || "hello")))
///     .nest("/fibers", insight_routes([pages.handle()]));
/// ```
pub fn insight_routes<S>(layers: impl IntoIterator<Item = FiberHandle>) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    routes(Observed::Some(layers.into_iter().collect()))
}

/// Like [`insight_routes`], of all layers of the process, those that are made later too.
///
/// Layers without a name are left out while they have no fibers. The functions that have no layer
/// ([`fiber`](super::fiber) handlers, [`run_in_fiber`](crate::run_in_fiber)) are together one layer without a name.
///
/// Each layer is from now on observed as by a [`FiberHandle`], which costs each wait some nanoseconds. A fiber that
/// waited before is not listed until it waits again.
pub fn insight_routes_of_all_layers<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    routes(Observed::All)
}

fn routes<S>(observed: Observed) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    observed.start();
    Router::new()
        .route("/", get(overview))
        .route("/json", get(as_json))
        .route("/text", get(as_text))
        .route("/backtrace/{id}", get(backtrace))
        .route("/style.css", get(async || answer("text/css; charset=utf-8", STYLE)))
        .with_state(Arc::new(observed))
}

type Layers = State<Arc<Observed>>;

// Links are relative, since a proxy may have taken off the beginning of the path.

async fn overview(State(observed): Layers, OriginalUri(uri): OriginalUri) -> Response {
    let links = match uri.path().rsplit('/').next() {
        Some(last) if !last.is_empty() => Links { home: format!("./{last}"), base: format!("./{last}/") },
        _ => Links { home: "./".to_owned(), base: "./".to_owned() },
    };
    let is_paused = uri.query() == Some(page::PAUSED);
    html(page::overview(&Snapshot::new(&observed), &links, is_paused))
}

async fn as_json(State(observed): Layers) -> Response {
    answer("application/json", json::Json(&Snapshot::new(&observed)).to_string())
}

async fn as_text(State(observed): Layers) -> Response {
    answer("text/plain; charset=utf-8", text::Text(&Snapshot::new(&observed)).to_string())
}

async fn backtrace(State(observed): Layers, Path(id): Path<String>, OriginalUri(uri): OriginalUri) -> Response {
    let home = match uri.path().rsplit('/').nth(2) {
        Some(last) if !last.is_empty() => format!("../../{last}"),
        _ => "../".to_owned(),
    };
    let links = Links { home, base: "../".to_owned() };
    if let Some(id) = FiberId::of_text(&id) {
        for shared in observed.layers() {
            if let Some((fiber, backtrace)) = dump_one(&shared, id).await {
                // Debug information is read when it is first needed.
                let backtrace = tokio::task::spawn_blocking(backtrace).await.ok().flatten();
                return html(page::backtrace(&shared, &fiber, backtrace.as_deref(), &links));
            }
        }
    }
    (StatusCode::NOT_FOUND, html(page::no_fiber(&id, &links))).into_response()
}

fn html(page: String) -> Response {
    answer("text/html; charset=utf-8", page)
}

fn answer(content_type: &'static str, body: impl IntoResponse) -> Response {
    let headers: [(HeaderName, &str); 4] = [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, body).into_response()
}
