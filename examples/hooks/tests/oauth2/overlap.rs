//! Fifty requests at once on the thread of their server.

use hooks::oauth2::http_client;
use oauth2::{Scope, TokenResponse as _};

use crate::{agent, client, common, run, server};

#[test]
fn over_http() {
    run(async {
        let (client, agent) = (client(&server::serve().await), agent());
        common::overlap(move |caller, wait| {
            let request = client.exchange_client_credentials().add_scope(Scope::new(caller.to_string()));
            let request = request.add_extra_param("wait", wait.as_millis().to_string());
            let token = request.request(&http_client(&agent)).unwrap();
            assert_eq!(token.access_token().secret(), &format!("for {caller}"));
        })
        .await;
    });
}
