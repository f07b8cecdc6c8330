//! Requests: what the client sends, and what a plain function reads.

use std::io::{self, Read};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::Request,
    routing::post,
};
use futures_util::stream;
use tower_fiber::axum::{BodyError, BodyReader, fiber_with};

use crate::{
    bodies::ends::{Case, End, Of, Reporter, fails},
    bodies::formats::{Format, rows},
    harness::ok,
    sockets::{self, Version},
};

/// Reads, and tells when so much has been read.
struct Midway<'a> {
    body: BodyReader,
    left: usize,
    reporter: &'a Reporter,
}

impl Read for Midway<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.body.read(buffer)?;
        if self.left > 0 {
            self.left = self.left.saturating_sub(read);
            if self.left == 0 {
                self.reporter.midway();
            }
        }
        Ok(read)
    }
}

/// What was written, in chunks; all of it, or half and then nothing more.
fn request(bytes: &Bytes, is_whole: bool) -> Request {
    let chunks: Vec<_> = bytes.chunks(10_000).map(|chunk| bytes.slice_ref(chunk)).collect();
    let sent = if is_whole { chunks.len() } else { chunks.len() / 2 };
    let chunks = stream::unfold(chunks.into_iter().take(sent), move |mut chunks| async move {
        match chunks.next() {
            Some(chunk) => Some((Ok::<_, io::Error>(chunk), chunks)),
            None if is_whole => None,
            None => std::future::pending().await,
        }
    });
    sockets::post("/", Body::from_stream(chunks))
}

pub(crate) async fn end(format: &'static Format, end: End, version: Version) {
    let mut bytes = Vec::new();
    (format.write)(&mut bytes, &mut || {}).unwrap();
    let (bytes, left) = (Bytes::from(bytes.clone()), bytes.len() / 4);

    let mut case = Case::new(end, Of::Request);
    let reporter = case.reporter.clone();
    let handler = move |body: BodyReader| -> Result<&'static str, BodyError> {
        let result = (format.read)(&mut Midway { body, left, reporter: &reporter });
        reporter.ended(&result);
        Ok(if result?.into_iter().eq(rows()) { "right" } else { "wrong" })
    };
    let app = Router::new().route("/", post(fiber_with(&case.layer, handler)));
    let mut client = case.connect(app, version).await;

    match end {
        End::Normal => assert_eq!(client.text(request(&bytes, true)).await, ok("right")),
        End::Panic => fails(&mut client, request(&bytes, true)).await,
        End::Reset(_) => {
            tokio::select! {
                _ = client.send(request(&bytes, false)) => panic!("it is not whole"),
                () = case.is_midway() => {}
            }
            client.disconnect().await;
        }
        End::Cancel(_) => {
            let handle = case.layer.handle();
            tokio::join!(fails(&mut client, request(&bytes, false)), async {
                case.is_midway().await;
                handle.cancel_all();
            });
        }
    }
    case.check(version).await;
}
