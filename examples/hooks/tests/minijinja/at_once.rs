//! Fifty pages at once on one thread.

use std::{sync::Arc, time::Duration};

use diesel::{RunQueryDsl as _, sql_query};
use hooks::minijinja::{ask, environment};
use minijinja::context;

use super::{
    common::{CALLERS, on_one_thread, overlap},
    library::Library,
};

const TEMPLATES: &[(&str, &str)] = &[
    ("layout.html", "<h1>{% block title %}{% endblock %}</h1>{% block main %}{% endblock %}"),
    (
        "page.html",
        "{% extends 'layout.html' %}\
         {% block title %}{{ reader }}: {{ shelf(name).size }}{% endblock %}\
         {% block main %}{% for book in shelf(name).books() %}\
            <p>{{ book.title }}, {{ book.id|price }}{{ pause(seconds) if loop.first }}</p>\
         {% endfor %}{% endblock %}",
    ),
];

#[test]
fn fifty_pages_at_once_on_one_thread() {
    on_one_thread(async {
        let Some(library) = Library::open("pages", TEMPLATES).await else { return };
        let pool = library.pool(CALLERS);
        let mut environment = environment(pool.clone());
        environment.add_function("pause", move |seconds: f64| {
            ask(&pool, |conn| sql_query(format!("select pg_sleep({seconds})")).execute(conn)).map(|_| "")
        });
        let environment = Arc::new(environment);
        overlap(move |caller, wait: Duration| {
            let shelf = caller % 5;
            let page = environment.get_template("page.html").unwrap().render(context! {
                name => format!("shelf {shelf}"),
                reader => format!("<{caller}>"),
                seconds => wait.as_secs_f64(),
            });
            let book = |number| {
                let cents = 1000 + 5 * number;
                format!("<p>Tom &amp; Jerry {number}, {}.{:02}</p>", cents / 100, cents % 100)
            };
            let books = book(2 * shelf) + &book(2 * shelf + 1);
            assert_eq!(page.unwrap(), format!("<h1>&lt;{caller}&gt;: 2</h1>{books}"));
        })
        .await;
    });
}
