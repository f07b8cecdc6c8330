//! What minijinja leaves changed on the thread while a template waits: nothing where it may, and what its docs here say
//! where it may not.

#![cfg(target_os = "linux")]

use std::{
    fmt,
    future::Future as _,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use futures_util::future::join_all;
use minijinja::{
    Environment, Error, ErrorKind, State, TemplateSource, context,
    value::{Object, ObjectRepr, Serde, Value},
};
use serde::{Serialize, Serializer};
use tokio::task::yield_now;
use tower_fiber::{FiberLayer, WaitExt as _, lint, run_local};

/// Waits wherever a template lets it.
#[derive(Debug)]
struct Waits;

impl Object for Waits {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        yield_now().wait();
        Some(Value::from(key))
    }

    fn call(self: &Arc<Self>, _: &mut State<'_, '_>, _: &[Value]) -> Result<Value, Error> {
        yield_now().wait();
        Ok(Value::from("call"))
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, _: &[Value]) -> Result<Value, Error> {
        yield_now().wait();
        if method == "fail" { Err(ErrorKind::UnknownMethod.into()) } else { Ok(Value::from(method)) }
    }
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_debug(true);
    environment.set_loader(|name| {
        yield_now().wait();
        let source = match name {
            "layout.html" => "{% block main %}{% endblock %}",
            "page.html" => {
                "{% extends 'layout.html' %}{% block main %}\
                 {{ wait() }} {{ 1|waited }} {{ 2 is waited_for }} {{ waits.value }} {{ waits() }} {{ waits.method() }}\
                 {% macro inner() %}{{ wait() }}{% endmacro %} {{ inner() }}\
                 {% for number in slow %} {{ number }}{% endfor %} {{ waits.fail() if fails }}{% endblock %}"
            }
            _ => return Ok(None),
        };
        let uptodate = || {
            yield_now().wait();
            false
        };
        Ok::<_, Error>(Some(TemplateSource::new(source).with_uptodate_check(uptodate)))
    });
    environment.add_function("wait", || yield_now().wait());
    environment.add_filter("waited", |value: Value| {
        yield_now().wait();
        value
    });
    environment.add_test("waited_for", |_: Value| {
        yield_now().wait();
        true
    });
    environment
}

fn page(environment: &Environment<'_>, fails: bool) -> Result<String, Error> {
    let slow = Value::make_iterable(|| (0..3).inspect(|_| yield_now().wait()));
    environment.get_template("page.html")?.render(context! { fails, slow, waits => Value::from_object(Waits) })
}

/// Thread-locals of minijinja that were found changed.
fn found() -> Vec<String> {
    let names = lint::findings().into_iter().map(|finding| finding.thread_local);
    names.filter(|name| name.starts_with("minijinja::")).collect()
}

async fn nothing_is_left_changed_where_a_template_may_wait() {
    let environment = Arc::new(environment());
    let layer = FiberLayer::new();
    // More than once, since a first change is not named before the next.
    for _ in 0..3 {
        let pages = (0..10).map(|caller| {
            let environment = environment.clone();
            layer.run(move || page(&environment, caller % 2 == 0))
        });
        for (caller, page) in join_all(pages).await.into_iter().enumerate() {
            match page {
                Ok(page) => assert_eq!(page, "None 1 True value call method None 0 1 2 "),
                Err(error) => assert_eq!((caller % 2, error.kind()), (0, ErrorKind::UnknownMethod), "{error:?}"),
            }
        }
    }
    assert_eq!(found(), [""; 0]);
}

/// Waits while it is made a value, and while it is printed.
#[derive(Debug)]
struct WaitsElsewhere;

impl Serialize for WaitsElsewhere {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        yield_now().wait();
        serializer.serialize_unit()
    }
}

impl Object for WaitsElsewhere {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        yield_now().wait();
        f.write_str("printed")
    }
}

/// Runs `call` in a fiber. After each wait of it, but the last, `meanwhile` looks at the thread.
fn with_waits<T: 'static>(call: impl FnOnce() -> T + 'static, mut meanwhile: impl FnMut()) -> T {
    let mut call = pin!(run_local(call));
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        match call.as_mut().poll(&mut cx) {
            Poll::Ready(done) => return done,
            Poll::Pending => meanwhile(),
        }
    }
}

/// Other values of the thread are taken for parts of the one that waits.
fn a_wait_in_serialize_spoils_what_else_is_serialized() {
    let json = || serde_json::to_string(&Value::from(42)).unwrap();
    assert_eq!(json(), "42");
    let mut seen = Vec::new();
    with_waits(|| drop(Value::from(Serde(WaitsElsewhere))), || seen.push(json()));
    assert_eq!(seen, ["[1]"]);
    assert_eq!(json(), "42");
}

/// Other values of the thread are printed as an error's are, which is: shortened.
fn a_wait_in_render_spoils_what_else_is_printed() {
    let long = "x".repeat(10_000);
    let print = |text: &str| format!("{:?}", Value::from(text)).len();
    let whole = print(&long);
    let mut seen = Vec::new();
    let error = || {
        let mut environment = Environment::new();
        environment.set_debug(true);
        let waits = Value::from_object(WaitsElsewhere);
        let error = environment.render_str("{{ waits.missing() }}", context! { waits }).unwrap_err();
        error.display_debug_info().to_string()
    };
    let error = with_waits(error, || seen.push(print(&long)));
    assert!(error.contains("printed"), "{error}");
    assert!(!seen.is_empty() && seen.iter().all(|length| *length < whole), "{seen:?}");
    assert_eq!(print(&long), whole);
}

/// One test, since a thread-local is named once in the life of a process.
#[tokio::test]
async fn templates_that_wait() {
    lint::enable().expect("tests have symbols");
    nothing_is_left_changed_where_a_template_may_wait().await;
    a_wait_in_serialize_spoils_what_else_is_serialized();
    let serialization = "minijinja::value::INTERNAL_SERIALIZATION";
    assert_eq!(found(), [serialization]);
    a_wait_in_render_spoils_what_else_is_printed();
    assert_eq!(found(), [serialization, "minijinja::debug::LIMITED_DEPTH"]);
}
