//! oauth2 in fibers, with an authorization server of the tests' own.

#[path = "../common/mod.rs"]
mod common;

mod errors;
mod grants;
mod overlap;
mod server;

use std::{future::Future, time::Duration};

use oauth2::{
    ClientId, ClientSecret, DeviceAuthorizationUrl, EndpointNotSet, EndpointSet, IntrospectionUrl, TokenUrl,
    basic::BasicClient,
};
use tokio::time::timeout;
use ureq::Agent;

/// Runs a test on one thread, and fails if it hangs.
fn run<T>(test: impl Future<Output = T>) -> T {
    common::on_one_thread(async { timeout(Duration::from_secs(120), test).await.expect("the test hangs") })
}

/// An agent without what the environment says.
fn agent() -> Agent {
    hooks::ureq::agent(Agent::config_builder().proxy(None).build())
}

type Client = BasicClient<EndpointNotSet, EndpointSet, EndpointSet, EndpointNotSet, EndpointSet>;

/// A client that the server at `base` knows.
fn client(base: &str) -> Client {
    BasicClient::new(ClientId::new("shop".into()))
        .set_client_secret(ClientSecret::new("secret".into()))
        .set_token_uri(TokenUrl::new(format!("{base}/token")).expect("a URL"))
        .set_introspection_url(IntrospectionUrl::new(format!("{base}/introspect")).expect("a URL"))
        .set_device_authorization_url(DeviceAuthorizationUrl::new(format!("{base}/device")).expect("a URL"))
}
