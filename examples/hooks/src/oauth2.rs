//! oauth2 in fibers: tokens whose requests suspend the fiber.
//!
//! [`http_client`] is a `SyncHttpClient` by an agent of ureq 3, as `ureq.rs` makes one. oauth2's own feature `ureq` is
//! for ureq 2.
//!
//! | of oauth2 | here |
//! |---|---|
//! | `.request(&http_client)` of codes, passwords, refresh tokens, introspection, revocation | as ever |
//! | `.request(&http_client, sleep, None)` of the device flow, with std's `sleep` | `.request(&http_client, \|time\| tokio::time::sleep(time).wait(), None)` |
//! | redirects are not to be followed (server-side request forgery) | they never are, whatever the agent's configuration says |
//! | answers with an error's status | given to oauth2, which makes `RequestTokenError::ServerResponse` of them |
//! | time-outs, trusted certificates, proxies, `https_only` | those of the agent |
//!
//! A cancelled fiber's request is a `RequestTokenError::Request` with ureq's error. A code can be exchanged only once,
//! and nobody knows then whether the server has seen it; [`shield`](tower_fiber::shield) the exchange to keep it whole.
//!
//! # Example
//!
//! ```
//! use oauth2::{ClientId, ClientSecret, TokenResponse as _, TokenUrl, basic::BasicClient};
//! use tokio::{io::AsyncWriteExt as _, net::TcpListener};
//! use tower_fiber::run_in_fiber;
//! use ureq::{Agent, config::Config};
//!
//! // Plain oauth2: it knows nothing of fibers.
//! fn token(agent: &Agent, server: &str) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
//!     let client = BasicClient::new(ClientId::new("shop".into()))
//!         .set_client_secret(ClientSecret::new("secret".into()))
//!         .set_token_uri(TokenUrl::new(format!("{server}/token"))?);
//!     let http_client = hooks::oauth2::http_client(agent);
//!     let token = client.exchange_client_credentials().request(&http_client)?;
//!     Ok(token.access_token().secret().clone())
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! let agent = hooks::ureq::agent(Config::builder().proxy(None).build());
//! let listener = TcpListener::bind("127.0.0.1:0").await?;
//! let server = format!("http://{}", listener.local_addr()?);
//! let called = tokio::spawn(run_in_fiber(move || token(&agent, &server)));
//! let (mut client, _) = listener.accept().await?;
//! let answer = r#"{"access_token":"one","token_type":"bearer"}"#;
//! let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{answer}", answer.len());
//! client.write_all(answer.as_bytes()).await?;
//! assert_eq!(called.await??, "one");
//! # Ok(())
//! # }
//! ```

use oauth2::{HttpRequest, HttpResponse};
use ureq::Agent;

/// An HTTP client for `.request(&http_client)`, with the connections and the configuration of this agent.
pub fn http_client(agent: &Agent) -> impl Fn(HttpRequest) -> Result<HttpResponse, ureq::Error> + Clone + use<> {
    let agent = agent.clone();
    move |request| {
        let request = agent.configure_request(request);
        // oauth2 reads what a server says of its refusal.
        let request = request.max_redirects(0).http_status_as_error(false).build();
        let (parts, mut body) = agent.run(request)?.into_parts();
        Ok(HttpResponse::from_parts(parts, body.read_to_vec()?))
    }
}
