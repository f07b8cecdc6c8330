//! Includes, macros, inheritance and the rest, with waits in between.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use futures_util::future::join_all;
use minijinja::{Environment, Value, context};
use tokio::task::yield_now;
use tower_fiber::{FiberLayer, WaitExt as _, run_in_fiber};

use super::common::{CALLERS, on_one_thread};

const TEMPLATES: &[(&str, &str)] = &[
    (
        "layout.html",
        "<title>{% block title %}{{ wait('site') }}{% endblock %}</title>{% block main %}{% endblock %}\
         {{ wait(reader) }} {% include 'foot.txt' %}",
    ),
    ("foot.txt", "{{ wait(reader) }} {{ '<' }} & so on {{ reader|waited }}"),
    (
        "macros.html",
        "{% macro item(text) %}<li>{{ wait(text) }}{{ caller() if caller }}</li>{% endmacro %}\
         {% macro list(items) %}<ul>{% for text in items %}{{ item(text) }}{% endfor %}</ul>{% endmacro %}",
    ),
    (
        "page.html",
        "{% extends 'layout.html' %}\
         {% from 'macros.html' import item, list %}\
         {% block title %}{{ super() }} of {{ reader|waited }}{% endblock %}\
         {% block main %}\
            {% set seen = namespace(count=0) %}\
            {% for text in wait(items) if text is waited_for %}\
                {% set seen.count = seen.count + wait(1) %}\
                {{ loop.index }}/{{ wait(loop.length) }} {{ text|waited }} {{ loop.changed(wait(text)) }} \
            {% else %}nothing{% endfor %}\
            {{ seen.count }} of {{ slow|length }}: {% for number in slow %}{{ number }}{{ loop.nextitem }} {% endfor %}\
            {{ list(items) }}\
            {% call item('called') %}{{ wait(name) }}{% endcall %}\
            {% set block %}<b>{{ wait('<') }}</b>{% endset %}{{ block }}\
            {% filter upper %}{{ wait(reader) }}{% endfilter %}\
            {% autoescape false %}{{ wait('<i>') }}{% endautoescape %}{{ wait('<i>') }}\
            {{ safe|waited }}{{ tree(3) }}\
         {% endblock %}\
         {% macro tree(depth) %}({{ wait(depth) }}{% if depth %}{{ tree(depth - 1) }}{% endif %}){% endmacro %}",
    ),
];

/// An environment whose functions, filters and tests do this first.
fn environment(wait: impl Fn() + Clone + Send + Sync + 'static) -> Environment<'static> {
    let mut environment = Environment::new();
    for (name, source) in TEMPLATES {
        environment.add_template(name, source).unwrap();
    }
    let first = wait.clone();
    environment.add_function("wait", move |value: Value| {
        first();
        value
    });
    let first = wait.clone();
    environment.add_filter("waited", move |value: Value| {
        first();
        value
    });
    environment.add_test("waited_for", move |_: Value| {
        wait();
        true
    });
    environment
}

fn page(environment: &Environment<'_>, caller: usize, wait: impl Fn() + Clone + Send + Sync + 'static) -> String {
    let slow = Value::make_iterable(move || {
        let wait = wait.clone();
        (0..3).inspect(move |_| wait())
    });
    let page = environment.get_template("page.html").unwrap().render(context! {
        reader => format!("<{caller}>"),
        name => format!("name & {caller}"),
        items => (0..caller % 4).map(|item| format!("{item} \"{caller}\"")).collect::<Vec<_>>(),
        safe => Value::from_safe_string(format!("<u>{caller}</u>")),
        slow,
    });
    page.unwrap()
}

/// A few times, and not always as often, so that fibers change their order.
fn wait_in_fiber() {
    static WAITS: AtomicUsize = AtomicUsize::new(0);
    for _ in 0..WAITS.fetch_add(1, Ordering::Relaxed) % 5 {
        yield_now().wait();
    }
}

/// What the same templates give to each caller without waits.
fn expected() -> Vec<String> {
    let environment = environment(|| ());
    (0..CALLERS).map(|caller| page(&environment, caller, || ())).collect()
}

async fn pages() -> Vec<String> {
    let environment = Arc::new(environment(wait_in_fiber));
    let layer = FiberLayer::new();
    join_all((0..CALLERS).map(|caller| {
        let environment = environment.clone();
        layer.run(move || page(&environment, caller, wait_in_fiber))
    }))
    .await
}

#[test]
fn pages_with_waits_in_between_are_as_without_them() {
    let expected = expected();
    // One is as it should be, and the others are others.
    for part in [
        "<title>site of &lt;7&gt;</title>",
        "1/3 0 &quot;7&quot; True",
        "3 of 3: 01 12 2 ",
        "<ul><li>0 &quot;7&quot;</li>",
        "<li>calledname &amp; 7</li>",
        "<b>&lt;</b>",
        "<i>&lt;i&gt;",
        "<u>7</u>(3(2(1(0))))",
        "&lt;7&gt; <7> < & so on <7>",
    ] {
        assert!(expected[7].contains(part), "{part} is not in {}", expected[7]);
    }
    assert!(expected.windows(2).all(|pair| pair[0] != pair[1]));
    assert_eq!(on_one_thread(pages()), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_on_the_pool() {
    assert_eq!(pages().await, expected());
}

#[tokio::test]
async fn a_template_without_end_is_an_error_before_the_stack_is() {
    for source in [
        "{% macro inner() %}{{ wait(inner()) }}{% endmacro %}{{ inner() }}",
        "{% for _ in [1] recursive %}{{ wait(loop([1])) }}{% endfor %}",
    ] {
        let rendered = run_in_fiber(|| environment(wait_in_fiber).render_str(source, context! {})).await;
        let error = rendered.unwrap_err().to_string();
        assert!(error.contains("recursion limit exceeded"), "{error}");
    }
}
