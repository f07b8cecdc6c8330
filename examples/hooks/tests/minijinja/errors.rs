//! Errors of the database are the template's, with the line in it.

use std::error::Error as _;

use diesel::{
    ConnectionError, QueryResult, RunQueryDsl as _,
    result::{DatabaseErrorKind, Error as DieselError},
    sql_query,
};
use hooks::minijinja::{ask, environment};
use minijinja::{Environment, Error, ErrorKind, context};
use tokio::net::TcpSocket;
use tower_fiber::run_in_fiber;
use tower_fiber_diesel::PgPool;

use super::library::Library;

const TEMPLATES: &[(&str, &str)] = &[
    ("filter.txt", "one\ntwo\n{{ 99|price }}\n"),
    ("function.txt", "{{ divide(1, 0) }}"),
    ("value.txt", "one\n{{ shelf('shelf 1').size }}"),
    ("method.txt", "one\n\n{{ shelf('shelf 1').borrow() }}"),
    ("arguments.txt", "{{ shelf('shelf 1').books(1) }}"),
    ("include.txt", "one\ntwo\nthree\n{% include 'filter.txt' %}"),
];

fn render_all(environment: &Environment<'_>) -> Vec<Error> {
    let render = |(name, _): &(&str, _)| environment.get_template(name).unwrap().render(context! {}).unwrap_err();
    TEMPLATES.iter().map(render).collect()
}

/// diesel's error below the template's, however many templates are in between.
fn diesels(error: &Error) -> Option<&DieselError> {
    let mut source = error.source();
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref() {
            return Some(error);
        }
        source = error.source();
    }
    None
}

#[tokio::test]
async fn each_has_its_template_its_line_and_its_source() {
    let Some(library) = Library::open("errors", TEMPLATES).await else { return };
    let pool = library.pool(1);
    let mut environment = environment(pool.clone());
    environment.set_debug(true);
    environment.add_function("divide", move |a: i32, b: i32| {
        ask(&pool, |conn| -> QueryResult<usize> { sql_query(format!("select {a} / {b}")).execute(conn) })
    });
    // A column that the shelf asks for is missing.
    library.execute("alter table books rename column shelf to place").await;
    let errors = run_in_fiber(move || render_all(&environment));
    let [filter, function, value, method, arguments, include] = &errors.await[..] else { panic!("six templates") };

    let place = |error: &Error| (error.name().unwrap().to_owned(), error.line().unwrap());
    assert_eq!(place(filter), ("filter.txt".to_owned(), 3));
    assert!(matches!(diesels(filter), Some(DieselError::NotFound)), "{filter:?}");
    assert!(filter.to_string().contains("the database has no answer"), "{filter}");
    let shown = filter.display_debug_info().to_string();
    assert!(shown.contains("{{ 99|price }}"), "{shown}");

    assert_eq!(place(function), ("function.txt".to_owned(), 1));
    let Some(DieselError::DatabaseError(DatabaseErrorKind::Unknown, information)) = diesels(function) else {
        panic!("{function:?}")
    };
    assert_eq!(information.message(), "division by zero");

    assert_eq!(place(value), ("value.txt".to_owned(), 2));
    assert!(matches!(diesels(value), Some(DieselError::DatabaseError(..))), "{value:?}");

    assert_eq!((place(method), method.kind()), (("method.txt".to_owned(), 3), ErrorKind::UnknownMethod));
    assert_eq!((place(arguments), arguments.kind()), (("arguments.txt".to_owned(), 1), ErrorKind::TooManyArguments));

    assert_eq!(place(include), ("include.txt".to_owned(), 4));
    assert!(matches!(diesels(include), Some(DieselError::NotFound)), "{include:?}");
}

#[tokio::test]
async fn a_server_that_refuses_is_an_error_of_the_loader() {
    // Bound, so that nobody else listens there either.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let pool = PgPool::new(format!("postgres://postgres@{}/postgres", socket.local_addr().unwrap()), 1);
    let environment = environment(pool);
    let error = run_in_fiber(move || environment.get_template("page.txt").map(drop)).await.unwrap_err();
    assert!(error.to_string().contains("the database cannot be asked"), "{error}");
    assert!(error.source().unwrap().is::<ConnectionError>());
}
