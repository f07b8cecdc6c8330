//! What is allowed and what is not.

use std::{future::ready, time::Duration};

use policy::{decider::Table, proto::documents::ReadRequest};
use tonic::{Code, Request, transport::Server};

use crate::harness::{Decides, LONG, all_ended, documents, listener, on_each_runtime, read};

#[test]
fn the_table_decides() {
    on_each_runtime(|| async {
        let (address, incoming) = listener().await;
        let table = Server::builder().add_service(Table::server(Duration::from_millis(1)));
        tokio::spawn(table.serve_with_incoming(incoming));
        let (client, handle) = documents(address, LONG).await;
        assert_eq!(read(client.clone(), "ada", "plans").await.unwrap(), "First the mill, then the engine.");
        assert_eq!(read(client.clone(), "bob", "minutes").await.unwrap(), "The meeting began at nine.");
        let status = read(client.clone(), "bob", "plans").await.unwrap_err();
        assert_eq!(status.code(), Code::PermissionDenied);
        assert_eq!(status.message(), "\"bob\" may not use documents/plans, ask for the permission");
        let status = read(client, "eve", "welcome").await.unwrap_err();
        assert_eq!(status.message(), "\"eve\" may not use documents, ask for the permission");
        all_ended(&handle).await;
    });
}

#[test]
fn rules_come_first_and_decisions_are_kept() {
    on_each_runtime(|| async {
        let (policy, asked) = Decides::new(|request| ready(Ok(request.get_ref().what != "documents/plans")));
        let (client, handle) = documents(policy.serve().await, LONG).await;
        // The rule for the welcome asks nobody; the interceptor does.
        read(client.clone(), "ada", "welcome").await.unwrap();
        assert_eq!(*asked.lock().await, ["ada: documents"]);
        for _ in 0..3 {
            read(client.clone(), "ada", "minutes").await.unwrap();
            assert_eq!(read(client.clone(), "ada", "plans").await.unwrap_err().code(), Code::PermissionDenied);
        }
        assert_eq!(*asked.lock().await, ["ada: documents", "ada: documents/minutes", "ada: documents/plans"]);
        all_ended(&handle).await;
    });
}

#[test]
fn what_is_missing() {
    on_each_runtime(|| async {
        let (policy, asked) = Decides::new(|_| ready(Ok(true)));
        let (mut client, handle) = documents(policy.serve().await, LONG).await;
        assert_eq!(read(client.clone(), "ada", "recipes").await.unwrap_err().code(), Code::NotFound);
        asked.lock().await.clear();
        let nobody = Request::new(ReadRequest { name: "plans".to_owned() });
        assert_eq!(client.read(nobody).await.unwrap_err().code(), Code::Unauthenticated);
        assert!(asked.lock().await.is_empty());
        all_ended(&handle).await;
    });
}
