//! Requests that fail are oauth2's own errors.

use std::error::Error as _;

use hooks::oauth2::http_client;
use oauth2::{
    AuthorizationCode, ClientSecret, PkceCodeVerifier, RequestTokenError, TokenUrl,
    basic::{BasicErrorResponse, BasicErrorResponseType},
};
use tokio::{io::AsyncReadExt as _, net::TcpListener};
use tower_fiber::{FiberLayer, run_in_fiber};
use ureq::Agent;

use crate::{
    Client, agent, client, run,
    server::{CODE, VERIFIER, serve},
};

type Error = RequestTokenError<ureq::Error, BasicErrorResponse>;

fn exchange(client: &Client, agent: &Agent, verifier: &str) -> Result<(), Error> {
    let request = client.exchange_code(AuthorizationCode::new(CODE.into()));
    request.set_pkce_verifier(PkceCodeVerifier::new(verifier.into())).request(&http_client(agent)).map(drop)
}

async fn error_of(client: Client, agent: Agent, verifier: &'static str) -> Error {
    run_in_fiber(move || exchange(&client, &agent, verifier).unwrap_err()).await
}

fn is_refused(error: &Error, kind: &BasicErrorResponseType) -> bool {
    matches!(error, RequestTokenError::ServerResponse(response) if response.error() == kind)
}

#[test]
fn the_server_refuses() {
    run(async {
        let base = serve().await;
        let error = error_of(client(&base), agent(), "another verifier of the length that is demanded, 43").await;
        assert!(is_refused(&error, &BasicErrorResponseType::InvalidGrant), "{error:?}");
        let stranger = client(&base).set_client_secret(ClientSecret::new("guessed".into()));
        let error = error_of(stranger, agent(), VERIFIER).await;
        assert!(is_refused(&error, &BasicErrorResponseType::InvalidClient), "{error:?}");
    });
}

fn at(base: &str, path: &str) -> Client {
    client(base).set_token_uri(TokenUrl::new(format!("{base}{path}")).unwrap())
}

/// Whatever the agent is configured to do.
#[test]
fn a_redirect_is_not_followed() {
    run(async {
        let base = serve().await;
        let follows = hooks::ureq::agent(Agent::config_builder().proxy(None).max_redirects(10).build());
        for agent in [agent(), follows] {
            let error = error_of(at(&base, "/moved/token"), agent, VERIFIER).await;
            let RequestTokenError::Other(text) = &error else { panic!("{error:?}") };
            assert_eq!(text, "server returned empty error response");
        }
    });
}

#[test]
fn the_answer_is_no_token() {
    run(async {
        let error = error_of(at(&serve().await, "/broken/token"), agent(), VERIFIER).await;
        assert!(matches!(&error, RequestTokenError::Parse(_, text) if text == b"{"), "{error:?}");
    });
}

#[test]
fn nobody_is_there() {
    run(async {
        let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let error = error_of(client(&format!("http://{nobody}")), agent(), VERIFIER).await;
        assert_eq!(error.to_string(), "Request failed");
        assert_eq!(error.source().unwrap().to_string(), "io: Connection refused (os error 111)");
    });
}

#[test]
fn the_fiber_is_cancelled() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = client(&format!("http://{}", listener.local_addr().unwrap()));
        let (layer, agent) = (FiberLayer::new(), agent());
        let call = tokio::spawn(layer.run(move || exchange(&client, &agent, VERIFIER).unwrap_err()));
        let (mut server, _) = listener.accept().await.unwrap();
        server.read_u8().await.unwrap();
        layer.handle().cancel_all();
        let error = call.await.unwrap();
        let RequestTokenError::Request(error) = &error else { panic!("{error:?}") };
        assert!(error.to_string().starts_with("io: the fiber was cancelled"), "{error}");
    });
}
