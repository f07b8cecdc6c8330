//! The end by a signal, while requests of all kinds are under way.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::sleep,
};

use crate::{
    harness::{ADA, Answer, Service, connect, rest},
    requests::{next, websocket},
};

/// How many clients send one request after the other.
const CLIENTS: usize = 64;

/// What the clients have seen.
#[derive(Default)]
struct Seen {
    is_signalled: AtomicBool,
    answered: AtomicUsize,
    answered_afterwards: AtomicUsize,
}

/// Sends requests, each on a connection of its own, until no connection is accepted any more.
async fn client(address: std::net::SocketAddr, seen: Arc<Seen>) {
    loop {
        let Ok(mut stream) = TcpStream::connect(address).await else { return };
        let request = format!("GET /items/2 HTTP/1.1\r\nhost: test\r\nconnection: close\r\n{ADA}\r\n");
        let sent = stream.write_all(request.as_bytes()).await;
        let is_before = !seen.is_signalled.load(Ordering::SeqCst);
        match sent.and(rest(&mut stream).await) {
            Ok(bytes) => {
                let answer =
                    Answer::whole(&bytes).unwrap_or_else(|| panic!("cut: {:?}", String::from_utf8_lossy(&bytes)));
                assert_eq!(answer.status, 200, "{answer:?}");
                seen.answered.fetch_add(1, Ordering::SeqCst);
                seen.answered_afterwards.fetch_add(seen.is_signalled.load(Ordering::SeqCst).into(), Ordering::SeqCst);
            }
            // The system had it in the queue of a listener that was closed: the service has never seen it.
            Err(error) => {
                assert!(!is_before, "a request from before the signal is lost: {error}");
                return;
            }
        }
    }
}

#[tokio::test]
async fn no_request_is_lost() {
    let service = Service::start(&[("SUPPLIER_LATENCY_MS", "300")]).await;
    let seen = Arc::new(Seen::default());
    let clients: Vec<_> = (0..CLIENTS).map(|_| tokio::spawn(client(service.address, Arc::clone(&seen)))).collect();

    let mut socket = websocket(&service).await;
    let mut events = connect(service.address).await;
    events.write_all(format!("GET /changes HTTP/1.1\r\nhost: test\r\n{ADA}\r\n").as_bytes()).await.unwrap();
    events.read_exact(&mut [0; 15]).await.unwrap();
    let mut upload = connect(service.address).await;
    let file = "id,name,stock\n8,eye,1\n9,hook,2\n";
    let head = format!("POST /items.csv HTTP/1.1\r\nhost: test\r\n{ADA}content-length: {}\r\n\r\n", file.len());
    upload.write_all(format!("{head}{}", &file[..20]).as_bytes()).await.unwrap();

    while seen.answered.load(Ordering::SeqCst) < 2 * CLIENTS {
        sleep(Duration::from_millis(5)).await;
    }
    // Asked before the signal, answered after it.
    socket.send("1".into()).await.unwrap();
    seen.is_signalled.store(true, Ordering::SeqCst);
    service.signal("-TERM").await;

    assert!(next(&mut socket).await.unwrap().contains("nail"));
    assert_eq!(next(&mut socket).await, Err(1001));
    // The answer to the close goes out as this reads on.
    assert!(socket.next().await.is_none_or(|rest| rest.is_err()));
    let events = String::from_utf8(rest(&mut events).await.unwrap()).unwrap();
    assert!(events.ends_with("0\r\n\r\n"), "{events}");
    upload.write_all(&file.as_bytes()[20..]).await.unwrap();
    let uploaded = Answer::whole(&rest(&mut upload).await.unwrap()).unwrap();
    assert_eq!((uploaded.status, uploaded.body.as_str()), (200, "2 items\n"));
    for client in clients {
        client.await.unwrap();
    }
    assert!(seen.answered_afterwards.load(Ordering::SeqCst) > 0);
    let (last, errors, status) = service.ended().await;
    assert!(status.success(), "{errors}");
    assert_eq!(last, "legacy-service: everything ended in time");
}
