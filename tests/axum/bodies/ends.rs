//! How a body ends, and what must hold then.

use std::{
    future::pending,
    io::{self, ErrorKind},
    net::SocketAddr,
    panic::resume_unwind,
};

use axum::{Router, extract::Request, routing::get};
use http_body_util::BodyExt as _;
use tokio::sync::mpsc;
use tower_fiber::{FiberLayer, OnDrop, await_in_fiber, try_await_in_fiber, until_caller_gone};

use crate::{
    harness::ok,
    sockets::{self, Client, Version, serve},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Normal,
    Panic,
    /// By the client, with a layer of this policy.
    Reset(OnDrop),
    /// By `cancel_all`, with a layer of this policy.
    Cancel(OnDrop),
}

impl End {
    pub(crate) const RESETS: [Self; 3] =
        [Self::Reset(OnDrop::Finish), Self::Reset(OnDrop::Cancel), Self::Reset(OnDrop::Unwind)];
    pub(crate) const CANCELS: [Self; 2] = [Self::Cancel(OnDrop::Cancel), Self::Cancel(OnDrop::Unwind)];

    /// Whether the function does not return.
    fn unwinds(self, body: Of) -> bool {
        match self {
            Self::Panic | Self::Cancel(OnDrop::Unwind) => true,
            Self::Reset(OnDrop::Unwind) => body == Of::Response,
            _ => false,
        }
    }

    fn policy(self) -> OnDrop {
        match self {
            Self::Normal | Self::Panic => OnDrop::Finish,
            Self::Reset(policy) | Self::Cancel(policy) => policy,
        }
    }
}

/// Whose body it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Of {
    Request,
    Response,
}

/// What the function that reads or writes reports.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Report {
    Midway,
    Ended(Result<(), ErrorKind>),
}

/// The layer of one case, and the reports of the function that runs in it.
pub(crate) struct Case {
    pub(crate) layer: FiberLayer,
    pub(crate) reporter: Reporter,
    reports: mpsc::UnboundedReceiver<Report>,
    address: Option<SocketAddr>,
}

impl Case {
    pub(crate) fn new(end: End, body: Of) -> Self {
        let layer = FiberLayer::builder().on_drop(end.policy()).build().unwrap();
        let (report, reports) = mpsc::unbounded_channel();
        Self { layer, reporter: Reporter { end, body, report }, reports, address: None }
    }

    pub(crate) async fn connect(&mut self, app: Router, version: Version) -> Client {
        let address = serve(app.route("/alive", get(async || "alive"))).await;
        self.address = Some(address);
        Client::connect(address, version).await
    }

    pub(crate) async fn is_midway(&mut self) {
        assert_eq!(self.reports.recv().await, Some(Report::Midway));
    }

    /// After the end of the function: it has reported an error, or was unwound. Nothing is left, and the server serves.
    pub(crate) async fn check(mut self, version: Version) {
        self.layer.handle().drained().await;
        let counters = self.layer.handle().counters();
        assert_eq!((counters.live, counters.stacks_in_use, counters.leaked), (0, 0, 0), "{counters:?}");
        let ended = self.reports.try_recv();
        let Reporter { end, body, .. } = self.reporter;
        match ended {
            Ok(Report::Ended(Ok(()))) if end == End::Normal => {}
            Ok(Report::Ended(Err(ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted)))
                if end != End::Normal && !end.unwinds(body) => {}
            Err(_) if end.unwinds(body) => {}
            other => panic!("no clear end: {other:?}"),
        }
        let mut client = Client::connect(self.address.unwrap(), version).await;
        assert_eq!(client.text(sockets::get("/alive")).await, ok("alive"));
    }
}

#[derive(Clone)]
pub(crate) struct Reporter {
    end: End,
    body: Of,
    report: mpsc::UnboundedSender<Report>,
}

impl Reporter {
    /// In the middle of reading or writing, in the fiber.
    pub(crate) fn midway(&self) {
        if self.end == End::Normal {
            return;
        }
        if self.end == End::Panic {
            // As a panic, without its message.
            resume_unwind(Box::new("expected"));
        }
        self.report.send(Report::Midway).unwrap();
        match (self.end, self.body) {
            // With HTTP/1 the server finds out that the client has gone when it reads for the function, which goes on
            // with that.
            (End::Reset(_), Of::Request) => {}
            (End::Reset(OnDrop::Unwind) | End::Cancel(OnDrop::Unwind), _) => await_in_fiber(pending()),
            // It goes on after the error, which the next write or read gives again.
            (End::Reset(_), Of::Response) => _ = try_await_in_fiber(until_caller_gone()),
            _ => _ = try_await_in_fiber(pending::<()>()),
        }
    }

    pub(crate) fn ended<R>(&self, result: &io::Result<R>) {
        let result = result.as_ref().map(|_| ()).map_err(io::Error::kind);
        self.report.send(Report::Ended(result)).unwrap();
    }
}

/// Sends a request that must not seem to have gone well.
pub(crate) async fn fails(client: &mut Client, request: Request) {
    if let Ok(response) = client.send(request).await {
        let status = response.status();
        let body = response.into_body().collect().await;
        assert!(!status.is_success() || body.is_err(), "it seems whole: {status}");
    }
}
