//! A loader that waits.

use std::sync::Arc;

use diesel::connection::SimpleConnection as _;
use futures_util::future::join_all;
use hooks::minijinja::environment;
use minijinja::{Environment, ErrorKind, context};
use tokio::{select, task::yield_now, time::timeout};
use tower_fiber::{FiberLayer, run_in_fiber};

use super::{
    LONG,
    common::{CALLERS, on_one_thread},
    library::Library,
};

const TEMPLATES: &[(&str, &str)] = &[
    ("about.txt", "About {{ reader }}."),
    ("page.txt", "{% include 'head.txt' %} Hello {{ reader }}!"),
    ("head.txt", "Head."),
    ("bad.txt", "first line\n{% if %}"),
];

fn page(environment: &Environment<'_>, name: &str, reader: usize) -> Result<String, minijinja::Error> {
    environment.get_template(name)?.render(context! { reader })
}

#[test]
fn fifty_fibers_load_a_template_while_others_render() {
    on_one_thread(async {
        let Some(library) = Library::open("loading", TEMPLATES).await else { return };
        let environment = Arc::new(environment(library.pool(CALLERS)));
        let layer = FiberLayer::new();
        let render = |name: &'static str, reader| {
            let environment = environment.clone();
            layer.run(move || page(&environment, name, reader).unwrap())
        };
        assert_eq!(render("about.txt", 1).await, "About 1.");

        // Nobody can read templates until this ends.
        let locker = library.pool(1);
        let locked = run_in_fiber(move || {
            let mut conn = locker.get().unwrap();
            conn.batch_execute("begin; lock table templates").unwrap();
            conn
        });
        let mut locked = locked.await;
        let mut pages = join_all((0..CALLERS).map(|reader| render("page.txt", reader)));
        let all_wait = async {
            while library.sessions("wait_event_type = 'Lock'").await < CALLERS as i64 {
                yield_now().await;
            }
        };
        select! {
            _ = &mut pages => panic!("the table is locked"),
            there = timeout(LONG, all_wait) => there.expect("all of them ask for it"),
        }
        // One that is there is rendered meanwhile.
        assert_eq!(timeout(LONG, render("about.txt", 2)).await.expect("nothing holds it up"), "About 2.");
        run_in_fiber(move || locked.batch_execute("commit").unwrap()).await;
        let pages = timeout(LONG, pages).await.expect("the table is free");
        assert!(pages.into_iter().eq((0..CALLERS).map(|reader| format!("Head. Hello {reader}!"))));

        // It is loaded once.
        library.execute("delete from templates").await;
        assert_eq!(render("page.txt", 3).await, "Head. Hello 3!");
    });
}

#[tokio::test]
async fn a_template_that_is_none() {
    let Some(library) = Library::open("none", TEMPLATES).await else { return };
    let environment = environment(library.pool(1));
    let errors = run_in_fiber(move || ["missing.txt", "bad.txt"].map(|name| page(&environment, name, 0).unwrap_err()));
    let [missing, bad] = errors.await;
    assert_eq!(missing.kind(), ErrorKind::TemplateNotFound);
    assert_eq!((bad.kind(), bad.name(), bad.line()), (ErrorKind::SyntaxError, Some("bad.txt"), Some(2)));
}
