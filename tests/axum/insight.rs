//! The routes that show where fibers wait.

use std::{
    future::{pending, poll_fn},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
};

use axum::{
    Router,
    http::{Method, StatusCode, header},
    routing::get as route,
};
use serde_json::Value;
use tokio::{
    sync::Semaphore,
    task::{JoinHandle, yield_now},
};
use tower::ServiceExt as _;
use tower_fiber::{
    FiberLayer, WaitExt as _,
    axum::{fiber_with, insight_routes, insight_routes_of_all_layers},
};

use crate::{
    child,
    harness::{get, on_each_runtime, request, text},
    support::{both, poll_once, until},
};

/// Waits for ever. The names of its instances have `<` and `&`.
#[inline(never)]
fn held<T>() {
    pending::<()>().wait();
    std::hint::black_box(size_of::<T>());
}

type Unusual = Option<&'static str>;

const HELD: &str = "held&lt;core::option::Option&lt;&amp;str&gt;&gt;";

/// Starts fibers that wait for ever, and returns when they do.
async fn hold(layer: &FiberLayer, fibers: usize) -> Vec<JoinHandle<()>> {
    let live = layer.handle().live();
    let calls = (0..fibers).map(|_| tokio::spawn(layer.run(held::<Unusual>))).collect();
    // Listing many takes long.
    until(|| layer.handle().live() == live + fibers as u64).await;
    until(|| layer.handle().dump().unlisted == 0).await;
    calls
}

async fn page(app: &Router, uri: &str) -> String {
    let (status, page) = get(app, uri).await;
    assert_eq!(status, StatusCode::OK, "{uri}: {page}");
    page
}

async fn json(app: &Router, uri: &str) -> Value {
    serde_json::from_str(&page(app, uri).await).unwrap()
}

/// The targets of the page's links, in order.
fn links(page: &str) -> Vec<&str> {
    page.split("href=\"").skip(1).map(|rest| &rest[..rest.find('"').unwrap()]).collect()
}

/// Where a relative link of the page at `path` leads.
fn follow(path: &str, link: &str) -> String {
    let mut segments: Vec<_> = path.split('/').collect();
    segments.pop();
    for segment in link.split('/') {
        match segment {
            "." => {}
            ".." => assert!(segments.len() > 1 && segments.pop().is_some(), "{link} leaves {path}"),
            segment => segments.push(segment),
        }
    }
    // A path that ends in a dot segment is one of a folder.
    segments.join("/")
}

#[test]
fn a_page_lists_places_and_links_to_backtraces() {
    on_each_runtime(|| async {
        for layer in both(FiberLayer::builder().name("orders").max_fibers(50)) {
            let app = insight_routes([layer.handle()]);
            let empty = page(&app, "/").await;
            assert!(empty.contains("<h2>orders</h2>") && empty.contains("There are no fibers"), "{empty}");
            let calls = hold(&layer, 7).await;
            let shown = page(&app, "/").await;
            assert!(shown.contains("<td class=\"number\">7</td>"), "{shown}");
            assert!(shown.contains("tests/axum/insight.rs:") && shown.contains(HELD), "{shown}");
            assert!(shown.contains("<dt>live</dt><dd>7 <small>of 50</small></dd>"), "{shown}");
            assert!(shown.contains("and 2 more") && !shown.contains("caller gone"), "{shown}");
            let backtraces: Vec<_> = links(&shown).into_iter().filter(|link| link.contains("backtrace/")).collect();
            assert_eq!(backtraces.len(), 5, "{shown}");
            let backtrace = page(&app, &follow("/", backtraces[0])).await;
            let (above, code) = backtrace.split_once("<pre>").unwrap_or_else(|| panic!("{backtrace}"));
            assert!(code.contains("insight::held") && above.contains(HELD), "{backtrace}");
            // What waits is not disturbed, and what has ended is not found.
            assert_eq!(layer.handle().dump().fibers.len(), 7);
            calls.iter().for_each(JoinHandle::abort);
            layer.handle().cancel_all();
        }
    });
}

#[test]
fn fibers_without_callers_have_a_row_of_their_own() {
    on_each_runtime(|| async {
        for layer in both(FiberLayer::builder().name("orders")) {
            let app = insight_routes([layer.handle()]);
            let calls = hold(&layer, 3).await;
            let left = hold(&layer, 2).await;
            left.iter().for_each(JoinHandle::abort);
            until(|| layer.handle().counters().abandoned == 2).await;
            let shown = page(&app, "/").await;
            assert!(shown.contains("<td class=\"number\">3</td>"), "{shown}");
            assert!(shown.contains("<td class=\"number\">2</td>"), "{shown}");
            assert!(shown.contains("callers gone, the first"), "{shown}");
            assert!(shown.contains("<div class=\"gone\"><dt>abandoned</dt><dd>2</dd></div>"), "{shown}");
            let places = &json(&app, "/json").await["layers"][0]["places"];
            let parts = [0, 1].map(|n| (&places[n]["fibers"], &places[n]["abandoned"]));
            assert_eq!(parts, [(&3.into(), &false.into()), (&2.into(), &true.into())], "{places}");
            assert!(places[1]["oldest"][0]["abandoned_seconds"].is_number(), "{places}");
            assert!(page(&app, "/text").await.contains(", caller gone "));
            drop(calls);
        }
    });
}

#[test]
fn everything_is_escaped() {
    on_each_runtime(|| async {
        let layer = FiberLayer::new().name("<b>\"orders\" & 'more'</b>");
        let calls = hold(&layer, 1).await;
        let app = insight_routes([layer.handle()]);
        for uri in ["/".to_owned(), format!("/backtrace/{}", layer.handle().dump().fibers[0].id)] {
            let shown = page(&app, &uri).await;
            assert!(shown.contains("&lt;b&gt;&quot;orders&quot; &amp; &#39;more&#39;&lt;/b&gt;"), "{shown}");
            assert!(shown.contains(HELD) && !shown.contains("<b>") && !shown.contains("Option<"), "{shown}");
        }
        let (_, missing) = get(&app, "/backtrace/%3Cscript%3E%22").await;
        assert!(missing.contains("Fiber &lt;script&gt;&quot;"), "{missing}");
        // As the address of the page it is part of the links.
        let nested = Router::new().nest("/{name}", app.clone());
        let shown = page(&nested, "/a\"b'c").await;
        assert!(shown.contains("href=\"./a&quot;b&#39;c/json\""), "{shown}");
        let places = &json(&app, "/json").await["layers"][0];
        assert_eq!(places["name"], "<b>\"orders\" & 'more'</b>");
        drop(calls);
    });
}

#[test]
fn nothing_is_kept_or_loaded_from_elsewhere() {
    on_each_runtime(|| async {
        let layer = FiberLayer::new();
        let calls = hold(&layer, 1).await;
        let backtrace = format!("/backtrace/{}", layer.handle().dump().fibers[0].id);
        let app: Router = insight_routes([layer.handle()]);
        for (uri, status, kind) in [
            ("/", 200, "text/html; charset=utf-8"),
            ("/?paused", 200, "text/html; charset=utf-8"),
            ("/json", 200, "application/json"),
            ("/text", 200, "text/plain; charset=utf-8"),
            ("/style.css", 200, "text/css; charset=utf-8"),
            (&backtrace, 200, "text/html; charset=utf-8"),
            ("/backtrace/1-", 404, "text/html; charset=utf-8"),
        ] {
            let response = app.clone().oneshot(request(Method::GET, uri)).await.unwrap();
            let headers = response.headers().clone();
            assert_eq!((response.status().as_u16(), &headers[header::CONTENT_TYPE]), (status, &kind.parse().unwrap()));
            assert_eq!(headers[header::CACHE_CONTROL], "no-store", "{uri}");
            assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff", "{uri}");
            let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
            assert!(policy.starts_with("default-src 'none'; style-src 'self';"), "{policy}");
            let (_, body) = text(response).await;
            assert!(!body.contains("<script") && !body.contains("style=") && !body.contains("//"), "{uri}: {body}");
            assert_eq!(body.contains("http-equiv=\"refresh\""), uri == "/", "{uri}: {body}");
        }
        drop(calls);
    });
}

#[test]
fn links_work_wherever_the_routes_are() {
    on_each_runtime(|| async {
        let layer = FiberLayer::new();
        let calls = hold(&layer, 1).await;
        let routes: Router = insight_routes([layer.handle()]);
        let nested = Router::new().nest("/fibers", routes.clone());
        let deeper = Router::new().nest("/internal", nested.clone());
        let merged = Router::new().route("/elsewhere", route(async || "elsewhere")).merge(routes);
        for (app, path) in [(&merged, "/"), (&nested, "/fibers"), (&deeper, "/internal/fibers")] {
            let shown = page(app, path).await;
            let targets: Vec<_> = links(&shown).into_iter().map(|link| (link, follow(path, link))).collect();
            for (link, target) in targets.iter().filter(|(link, _)| !link.starts_with('?')) {
                page(app, target).await;
                if link.contains("backtrace") {
                    let inner = page(app, target).await;
                    let back: Vec<_> = links(&inner).into_iter().map(|link| follow(target, link)).collect();
                    assert_eq!(back[1], path, "{inner}");
                    assert!(page(app, &back[0]).await.contains("--ink"));
                }
            }
            let paused: Vec<_> = targets.iter().filter(|(link, _)| link.starts_with('?')).collect();
            assert_eq!((paused.len(), paused[0].0), (1, "?paused"), "{shown}");
            assert!(page(app, &format!("{path}?paused")).await.contains("href=\"?\""));
        }
        drop(calls);
    });
}

#[test]
fn twenty_thousand_fibers_are_a_short_page() {
    const FIBERS: usize = 20_000;
    on_each_runtime(|| async {
        let layer = FiberLayer::builder().stack_size(64 * 1024).build().unwrap();
        let app = insight_routes([layer.handle()]);
        let calls = hold(&layer, FIBERS).await;
        for (uri, most) in [("/", 10_000), ("/json", 2_000), ("/text", 2_000)] {
            let shown = page(&app, uri).await;
            assert!(shown.contains("20000") && shown.len() < most, "{} bytes: {shown}", shown.len());
        }
        let shown = page(&app, "/").await;
        assert!(shown.contains("and 19995 more"), "{shown}");
        let backtrace = links(&shown).into_iter().find(|link| link.contains("backtrace/")).unwrap();
        assert!(page(&app, &follow("/", backtrace)).await.contains("<pre>"));
        calls.iter().for_each(JoinHandle::abort);
        layer.handle().cancel_all();
    });
}

/// Waits as well, with a hundred names and more.
fn held_as<const A: u8, const B: u8>() {
    pending::<()>().wait();
}

#[test]
fn many_places_are_a_short_page() {
    macro_rules! hold_in_all {
        ($layer:ident, $($a:literal)*) => { [$(hold_in_all!(@ $layer, $a, 0 1 2 3 4 5 6 7 8 9 10)),*].concat() };
        (@ $layer:ident, $a:literal, $($b:literal)*) => { [$(tokio::spawn($layer.run(held_as::<$a, $b>))),*].map(Arc::new) };
    }
    on_each_runtime(|| async {
        let layer = FiberLayer::new();
        let app = insight_routes([layer.handle()]);
        let calls = hold(&layer, 2).await;
        let others = hold_in_all!(layer, 0 1 2 3 4 5 6 7 8 9 10);
        until(|| layer.handle().dump().fibers.len() == 123).await;
        let shown = page(&app, "/").await;
        assert_eq!(shown.matches("<tr><td").count(), 100, "{shown}");
        assert!(shown.contains("There are 22 more places, with 22 fibers."), "{shown}");
        // The place with the most fibers comes first.
        assert!(shown.find(HELD).unwrap() < shown.find("held_as").unwrap(), "{shown}");
        let layers = json(&app, "/json").await;
        let shown = &layers["layers"][0];
        assert_eq!((&shown["more_places"], &shown["fibers_of_more_places"]), (&22.into(), &22.into()), "{shown}");
        assert!(page(&app, "/text").await.contains("22 more places, with 22 fibers"));
        drop((others, calls));
    });
}

#[test]
fn several_layers_closed_or_not() {
    on_each_runtime(|| async {
        let [orders, prices] = ["orders", "prices"].map(|name| FiberLayer::new().name(name));
        let app = insight_routes([orders.handle(), prices.handle()]);
        let calls = (hold(&orders, 2).await, hold(&prices, 3).await);
        prices.handle().close();
        let shown = page(&app, "/").await;
        let (first, second) = shown.split_at(shown.find("<h2>prices").unwrap());
        assert!(first.contains("<h2>orders</h2>") && first.contains("<td class=\"number\">2</td>"), "{shown}");
        assert!(second.contains("closed: it refuses new calls"), "{shown}");
        assert!(second.contains("<td class=\"number\">3</td>"), "{shown}");
        let layers = &json(&app, "/json").await["layers"];
        for (index, (name, closed, live)) in [("orders", false, 2), ("prices", true, 3)].into_iter().enumerate() {
            let layer = &layers[index];
            assert_eq!((&layer["name"], &layer["closed"]), (&name.into(), &closed.into()), "{layer}");
            assert_eq!(layer["counters"]["live"], live, "{layer}");
        }
        let text = page(&app, "/text").await;
        assert!(text.contains("layer `prices`, closed: live 3, abandoned 0"), "{text}");
        assert_eq!(page(&insight_routes([]), "/text").await, "no layers\n");
        drop(calls);
    });
}

#[test]
fn all_layers_of_the_process() {
    child::passes("insight::all_layers_of_the_process", || {
        on_each_runtime(|| async {
            let app = insight_routes_of_all_layers();
            let layer = FiberLayer::new().name("made later");
            let unnamed = FiberLayer::new();
            let shown = page(&app, "/text").await;
            assert!(shown.contains("layer `made later`") && !shown.contains("without a name"), "{shown}");
            let calls = (hold(&layer, 1).await, hold(&unnamed, 1).await);
            let shown = page(&app, "/text").await;
            assert!(shown.contains("a layer without a name: live 1"), "{shown}");
            let id = layer.handle().dump().fibers[0].id;
            assert!(page(&app, &format!("/backtrace/{id}")).await.contains("<pre>"));
            drop(calls);
        });
    });
}

#[test]
fn other_methods_are_refused() {
    on_each_runtime(|| async {
        let layer = FiberLayer::new();
        let app: Router = insight_routes([layer.handle()]);
        for uri in ["/", "/json", "/text", "/backtrace/1-1", "/style.css"] {
            for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
                let response = app.clone().oneshot(request(method, uri)).await.unwrap();
                assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{uri}");
                assert_eq!(response.headers()[header::ALLOW], "GET,HEAD", "{uri}");
            }
        }
        let response = app.clone().oneshot(request(Method::HEAD, "/")).await.unwrap();
        assert_eq!(text(response).await, (StatusCode::OK, String::new()));
        assert_eq!(get(&app, "/nothing").await.0, StatusCode::NOT_FOUND);
    });
}

#[test]
fn ids_of_no_fiber_are_not_found() {
    on_each_runtime(|| async {
        let (layer, other) = (FiberLayer::new(), FiberLayer::new());
        let app = insight_routes([layer.handle()]);
        let calls = (hold(&layer, 1).await, hold(&other, 1).await);
        let foreign = other.handle().dump().fibers[0].id.to_string();
        let own = layer.handle().dump().fibers[0].id.to_string();
        let wrong = [format!("{own}0"), format!("0{own}"), format!("+{own}"), own.replace('-', ""), foreign];
        let large = ["18446744073709551615-18446744073709551615", "16777216-0", "1-1099511627776", "0-0", "-", "1-1-1"];
        for id in wrong.iter().map(String::as_str).chain(large) {
            let (status, shown) = get(&app, &format!("/backtrace/{id}")).await;
            assert_eq!(status, StatusCode::NOT_FOUND, "{id}: {shown}");
        }
        assert_eq!(get(&app, &format!("/backtrace/{own}")).await.0, StatusCode::OK);
        drop(calls);
    });
}

/// The limit is used up, and what answers is no fiber.
#[test]
fn a_full_layer_answers_and_counts_nothing() {
    on_each_runtime(|| async {
        let layer = FiberLayer::builder().max_fibers(1).build().unwrap();
        let gate = Arc::new(Semaphore::new(0));
        let held = Arc::clone(&gate);
        let waits = move || held.acquire().wait().unwrap().forget();
        let app = Router::new()
            .route("/", route(fiber_with(&layer, waits)))
            .nest("/fibers", insight_routes([layer.handle()]));
        let calls: Vec<_> = (0..3)
            .map(|_| {
                let app = app.clone();
                tokio::spawn(async move { get(&app, "/").await.0 })
            })
            .collect();
        until(|| layer.handle().dump().fibers.len() == 1).await;
        let before = layer.handle().counters();
        let shown = page(&app, "/fibers").await;
        assert!(shown.contains("<dd>1 <small>of 1</small></dd>"), "{shown}");
        for uri in ["/fibers/json", "/fibers/text", "/fibers/style.css"] {
            page(&app, uri).await;
        }
        assert_eq!(layer.handle().counters(), before);
        gate.add_permits(3);
        for call in calls {
            assert_eq!(call.await.unwrap(), StatusCode::OK);
        }
        layer.handle().drained().await;
    });
}

#[test]
fn a_backtrace_polls_only_the_fiber_that_is_asked() {
    on_each_runtime(|| async {
        for layer in both(FiberLayer::builder()) {
            let polls = [0, 0].map(|_| Arc::new(AtomicUsize::new(0)));
            let counted = |polls: Arc<AtomicUsize>| {
                let poll = move || {
                    polls.fetch_add(1, Ordering::Relaxed);
                    Poll::<()>::Pending
                };
                move || poll_fn(|_| poll()).wait()
            };
            let mut ids = Vec::new();
            for polls in &polls {
                tokio::spawn(layer.run(counted(Arc::clone(polls))));
                until(|| layer.handle().dump().fibers.len() == ids.len() + 1).await;
                let listed = layer.handle().dump().fibers;
                ids.push(listed.iter().map(|fiber| fiber.id).find(|id| !ids.contains(id)).unwrap());
            }
            let app = insight_routes([layer.handle()]);
            for _ in 0..3 {
                assert!(page(&app, &format!("/backtrace/{}", ids[1])).await.contains("<pre>"));
            }
            // A fiber answers before it polls its future once more.
            until(|| polls[1].load(Ordering::Relaxed) == 4).await;
            assert_eq!(polls[0].load(Ordering::Relaxed), 1);
        }
    });
}

#[tokio::test]
async fn a_fiber_whose_task_is_not_polled_gives_no_backtrace() {
    let layer = FiberLayer::new();
    let mut call = Box::pin(layer.run(held::<Unusual>));
    assert!(poll_once(&mut call).await.is_none());
    let app = insight_routes([layer.handle()]);
    let id = layer.handle().dump().fibers[0].id;
    let shown = page(&app, &format!("/backtrace/{id}")).await;
    assert!(shown.contains("It gave no backtrace within a second") && shown.contains("It waits at"), "{shown}");
}

#[tokio::test]
async fn a_fiber_that_has_not_waited_is_only_counted() {
    let layer = FiberLayer::new();
    let app: Router = insight_routes([layer.handle()]);
    let shown = layer.run(move || [page(&app, "/").wait(), page(&app, "/text").wait()]);
    let [shown, text] = shown.await;
    assert!(shown.contains("1 more run and have not waited yet"), "{shown}");
    assert!(text.contains("1 that run and have not waited yet"), "{text}");
    let other: Router = insight_routes([layer.handle()]);
    let shown = layer.run(move || {
        yield_now().wait();
        page(&other, "/").wait()
    });
    assert!(shown.await.contains("running now; waited there last"));
}
