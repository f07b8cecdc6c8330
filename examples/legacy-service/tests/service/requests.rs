//! What each address answers.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::{sleep, timeout},
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest as _},
};

use crate::harness::{ADA, LONG, Service, connect};

pub(crate) type Socket = WebSocketStream<tokio::net::TcpStream>;

pub(crate) async fn websocket(service: &Service) -> Socket {
    let mut request = "ws://test/live".into_client_request().unwrap();
    request.headers_mut().insert("authorization", "Bearer ada-secret".parse().unwrap());
    client_async(request, connect(service.address).await).await.unwrap().0
}

/// The next text, or else the code of the close.
pub(crate) async fn next(socket: &mut Socket) -> Result<String, u16> {
    match timeout(LONG, socket.next()).await.unwrap().unwrap().unwrap() {
        Message::Text(text) => Ok(text.to_string()),
        Message::Close(frame) => Err(frame.unwrap().code.into()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn one_login_serves_all_and_each_request_keeps_its_context() {
    let service = Service::start(&[]).await;
    let asked = (0..64).map(|_| service.ask("GET /items/1", ADA, ""));
    let mut logins = 0;
    for answer in futures_util::future::join_all(asked).await {
        assert_eq!(answer.status, 200, "{answer:?}");
        let number = answer.header("x-request-id").unwrap();
        let price = format!("\"price\":\"1.50 in session-1 for request {number}\"");
        assert!(answer.body.contains(&price), "{answer:?}");
        logins += answer.header("x-asked").unwrap().parse::<u32>().unwrap() - 1;
    }
    assert_eq!(logins, 1);
    assert!(service.ask("GET /metrics", "", "").await.body.contains("tower_fiber_calls_total{layer=\"service\"}"));
}

#[tokio::test]
async fn files_go_up_and_down_and_name_their_user() {
    let service = Service::start(&[]).await;
    let file = "id,name,stock\n7,\"Öse, „klein“ 🪝\",5\n3,hammer,9\n";
    let zoe = "authorization: Bearer zoe-secret\r\n";
    let up = service.ask("POST /items.csv", zoe, file).await;
    assert_eq!((up.status, up.body.as_str()), (200, "2 items\n"));
    let down = service.ask("GET /items.csv", ADA, "").await;
    assert_eq!(down.header("content-type"), Some("text/csv; charset=utf-8"));
    for line in ["1,nail,1000,nobody\n", "3,hammer,9,Zoë\n", "7,\"Öse, „klein“ 🪝\",5,Zoë\n"] {
        assert!(down.body.contains(line), "{}", down.body);
    }
    // More than one page.
    let many: String = (1..=2000).map(|id| format!("{id},item,1\n")).collect();
    assert_eq!(service.ask("POST /items.csv", ADA, &format!("id,name,stock\n{many}")).await.body, "2000 items\n");
    let down = service.ask("GET /items.csv", ADA, "").await;
    assert_eq!(down.body.matches(",item,1,Ada\n").count(), 2000);
}

#[tokio::test]
async fn websockets_answer_and_say_what_is_wrong() {
    let service = Service::start(&[]).await;
    let mut socket = websocket(&service).await;
    for (question, answer) in [("2", "Schräubchen"), (" x", "\" x\" is not the number"), ("0", "there is no item 0")] {
        socket.send(question.into()).await.unwrap();
        let text = next(&mut socket).await.unwrap();
        assert!(text.contains(answer), "{text}");
    }
    socket.send(Message::Binary(vec![0].into())).await.unwrap();
    assert_eq!(next(&mut socket).await, Err(1003));
    let mut socket = websocket(&service).await;
    socket.send("1".repeat(1025).into()).await.unwrap();
    assert_eq!(next(&mut socket).await, Err(1009));
}

#[tokio::test]
async fn an_upload_is_an_event() {
    let service = Service::start(&[]).await;
    let mut events = connect(service.address).await;
    events.write_all(format!("GET /changes HTTP/1.1\r\nhost: test\r\n{ADA}\r\n").as_bytes()).await.unwrap();
    let mut seen = String::new();
    while !seen.contains("data: 1\n\n") {
        // The first event comes after the head.
        if seen.ends_with("\r\n\r\n") {
            assert_eq!(service.ask("POST /items.csv", ADA, "id,name,stock\n").await.status, 200);
        }
        let mut some = [0; 1024];
        let count = timeout(LONG, events.read(&mut some)).await.unwrap().unwrap();
        assert!(count > 0, "{seen}");
        seen.push_str(std::str::from_utf8(&some[..count]).unwrap());
    }
}

#[tokio::test]
async fn a_signal_prints_where_requests_wait() {
    let service = Service::start(&[("SUPPLIER_LATENCY_MS", "2000")]).await;
    let asked = service.ask("GET /items/1", ADA, "");
    let signalled = async {
        while !service.ask("GET /fibers/text", "", "").await.body.contains("hooks/src/ureq.rs") {
            sleep(Duration::from_millis(10)).await;
        }
        service.signal("-USR1").await;
    };
    assert_eq!(tokio::join!(asked, signalled).0.status, 200);
    service.signal("-TERM").await;
    let (_, errors, status) = service.ended().await;
    assert!(errors.contains("layer `service`") && errors.contains("hooks/src/ureq.rs"), "{errors}");
    assert!(status.success());
}
