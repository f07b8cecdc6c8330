//! An authorization server.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    http::{
        HeaderMap, StatusCode,
        header::{AUTHORIZATION, CONTENT_TYPE},
    },
    response::{IntoResponse as _, Redirect, Response},
    routing::{get, post},
};
use oauth2::{PkceCodeChallenge, PkceCodeVerifier, url::form_urlencoded};
use tokio::net::TcpListener;

/// The only code that it gives. It belongs to the verifier [`VERIFIER`].
pub(crate) const CODE: &str = "a code";

pub(crate) const VERIFIER: &str = "a verifier of the length that is demanded, which is 43";

/// Serves for as long as the runtime is there, and gives its base URL.
pub(crate) async fn serve() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    let polls = Arc::new(AtomicU32::new(0));
    let app = Router::new()
        .route("/token", post(move |headers, body| token(headers, body, polls)))
        .route(
            "/introspect",
            post(async |body: String| {
                let is_active = form(&body)["token"] == "by a code";
                json(StatusCode::OK, format!(r#"{{"active":{is_active},"scope":"read write"}}"#))
            }),
        )
        .route(
            "/device",
            post(async || {
                let urls = r#""verification_uri":"http://localhost/","expires_in":60,"interval":1"#;
                json(StatusCode::OK, format!(r#"{{"device_code":"device","user_code":"1234",{urls}}}"#))
            }),
        )
        .route("/moved/token", post(async || Redirect::to("/free")))
        // Where nobody is asked for a secret.
        .route("/free", get(async || given("stolen")))
        .route("/broken/token", post(async || json(StatusCode::OK, "{".into())));
    tokio::spawn(async { axum::serve(listener, app).await.expect("axum serves") });
    base
}

fn form(body: &str) -> HashMap<String, String> {
    form_urlencoded::parse(body.as_bytes()).into_owned().collect()
}

fn json(status: StatusCode, text: String) -> Response {
    (status, [(CONTENT_TYPE, "application/json")], text).into_response()
}

fn given(token: &str) -> Response {
    let rest = r#""token_type":"bearer","expires_in":3600,"refresh_token":"again""#;
    json(StatusCode::OK, format!(r#"{{"access_token":"{token}",{rest}}}"#))
}

fn refused(error: &str) -> Response {
    json(StatusCode::BAD_REQUEST, format!(r#"{{"error":"{error}","error_description":"for a reason"}}"#))
}

async fn token(headers: HeaderMap, body: String, polls: Arc<AtomicU32>) -> Response {
    let form = form(&body);
    let field = |name| form.get(name).map_or("", String::as_str);
    if let Ok(wait) = field("wait").parse() {
        tokio::time::sleep(Duration::from_millis(wait)).await;
    }
    // shop:secret
    if headers.get(AUTHORIZATION).is_none_or(|value| value != "Basic c2hvcDpzZWNyZXQ=") {
        return json(StatusCode::UNAUTHORIZED, r#"{"error":"invalid_client"}"#.into());
    }
    match field("grant_type") {
        "authorization_code" if field("code") == CODE => {
            let verifier = PkceCodeVerifier::new(field("code_verifier").into());
            let challenge = |verifier| PkceCodeChallenge::from_code_verifier_sha256(&verifier).as_str().to_owned();
            let is_right = challenge(verifier) == challenge(PkceCodeVerifier::new(VERIFIER.into()));
            if is_right { given("by a code") } else { refused("invalid_grant") }
        }
        "client_credentials" => given(&format!("for {}", field("scope"))),
        "refresh_token" if field("refresh_token") == "again" => given("refreshed"),
        "urn:ietf:params:oauth:grant-type:device_code" => match polls.fetch_add(1, Ordering::SeqCst) {
            0 => refused("authorization_pending"),
            _ => given("for a device"),
        },
        _ => refused("invalid_grant"),
    }
}
