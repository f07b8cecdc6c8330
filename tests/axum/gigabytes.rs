//! Bodies that are larger than memory should be: a gibibyte each way, through synchronous code, in a process that stays
//! small.

use std::{
    io,
    net::SocketAddr,
    sync::atomic::{AtomicU64, Ordering},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, Request},
    http::StatusCode,
    routing::{get, post},
};
use futures_util::stream;
use http_body_util::BodyExt as _;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::Builder,
    task::yield_now,
};
use tower_fiber::{
    FiberLayer,
    axum::{BodyError, BodyReader, fiber, fiber_with, write_body_with},
};

use crate::{child, system::kib};

const GIB: u64 = 1 << 30;
/// KiB that the process may have in memory, with its own program.
const MOST: usize = 64 * 1024;

/// The fields of a row; what differs is at the front.
const FIELD: &str =
    "All happy families are alike; each unhappy family is unhappy in its own way. Everything was in confusion";

fn row(n: u64) -> [String; 2] {
    [n.to_string(), FIELD.repeat(9)]
}

/// The rows of a gibibyte.
fn rows() -> u64 {
    GIB / 940 + 1
}

/// Bytes that the server has written or read.
static SERVED: AtomicU64 = AtomicU64::new(0);

/// A writer or reader that counts.
struct Counts<T>(T);

impl<W: io::Write> io::Write for Counts<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = self.0.write(buffer)?;
        SERVED.fetch_add(written as u64, Ordering::Relaxed);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl<R: io::Read> io::Read for Counts<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read(buffer)?;
        SERVED.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// Parses a table, and gives the number of its rows.
fn upload(body: BodyReader) -> Result<String, BodyError> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(Counts(body));
    let mut record = csv::StringRecord::new();
    let mut rows = 0_u64;
    while reader.read_record(&mut record).map_err(io::Error::from)? {
        assert_eq!((record[0].parse(), record[1].len()), (Ok(rows), FIELD.len() * 9));
        rows += 1;
    }
    Ok(rows.to_string())
}

async fn serve(layer: &FiberLayer) -> SocketAddr {
    let inside = layer.clone();
    let download = move || {
        write_body_with(&inside, |w| {
            let mut csv = csv::Writer::from_writer(Counts(w));
            for n in 0..rows() {
                csv.write_record(row(n))?;
            }
            csv.flush()
        })
    };
    let app = Router::new()
        .route("/", get(fiber(download)))
        .route("/", post(fiber_with(layer, upload)).layer(DefaultBodyLimit::disable()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async { axum::serve(listener, app).await.unwrap() });
    address
}

async fn connect(address: SocketAddr) -> SendRequest<Body> {
    let stream = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let (sender, connection) = http1::handshake(stream).await.unwrap();
    tokio::spawn(async { connection.await.unwrap() });
    sender
}

/// Resident KiB at most since the start of the process.
fn most_resident() -> usize {
    kib("VmHWM")
}

#[test]
fn in_little_memory() {
    child::passes("gigabytes::in_little_memory", || {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let layer = FiberLayer::new();
            let mut sender = connect(serve(&layer).await).await;

            // A slow reader of a table: it lets the writer go on many times for each piece that it takes.
            let request = Request::get("/").header("host", "here").body(Body::empty()).unwrap();
            let mut body = sender.send_request(request).await.unwrap().into_body();
            let (mut bytes, mut lines) = (0, 0);
            while let Some(frame) = body.frame().await {
                let chunk = frame.unwrap().into_data().unwrap();
                bytes += chunk.len() as u64;
                lines += chunk.iter().filter(|byte| **byte == b'\n').count() as u64;
                for _ in 0..5 {
                    yield_now().await;
                }
            }
            assert!(bytes >= GIB, "{bytes} bytes");
            assert_eq!((lines, bytes), (rows(), SERVED.swap(0, Ordering::Relaxed)));
            println!("after the download: at most {} KiB", most_resident());
            assert!(most_resident() < MOST, "{} KiB", most_resident());

            // The same table, sent.
            let chunks = stream::iter((0..rows()).step_by(64).map(|first| {
                let mut csv = csv::Writer::from_writer(Vec::new());
                (first..rows().min(first + 64)).for_each(|n| csv.write_record(row(n)).unwrap());
                Ok::<_, io::Error>(Bytes::from(csv.into_inner().unwrap()))
            }));
            let request = Request::post("/").header("host", "here").body(Body::from_stream(chunks)).unwrap();
            let response = sender.send_request(request).await.unwrap();
            assert_eq!(response.status(), StatusCode::OK);
            let text = response.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(text, rows().to_string());
            assert_eq!(SERVED.load(Ordering::Relaxed), bytes);
            println!("after the upload: at most {} KiB", most_resident());
            assert!(most_resident() < MOST, "{} KiB", most_resident());

            drop(sender);
            layer.handle().drained().await;
            assert_eq!((layer.handle().live(), layer.handle().counters().leaked), (0, 0));
        });
    });
}
