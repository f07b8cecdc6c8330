//! The documents, and the check of who may read them.

use std::{
    error::Error as _,
    fmt,
    io::{self, Write as _},
    sync::Arc,
};

use tonic::{
    Request, Response, Status,
    codegen::InterceptedService,
    service::{Interceptor, LayerExt as _, Layered},
};
use tower_fiber::{FiberLayer, FiberService};

use crate::{
    legacy::{Guard, Refusal},
    proto::documents::{Document, Documents, DocumentsServer, ReadRequest},
};

/// The metadata that says who calls. A real service would verify a token here.
pub const USER: &str = "user";
/// What there is to read.
const SHELF: [(&str, &str); 3] = [
    ("welcome", "Everybody who is known may read this."),
    ("minutes", "The meeting began at nine."),
    ("plans", "First the mill, then the engine."),
];

/// The documents behind their guard.
pub type Guarded = InterceptedService<DocumentsServer<Shelf>, Door>;

/// Mounts the documents: the interceptor and the methods run in the fiber, so both may wait.
pub fn server(layer: &FiberLayer, guard: Guard) -> Layered<FiberService<Guarded>, Guarded> {
    let guard = Arc::new(guard);
    let documents = DocumentsServer::new(Shelf(Arc::clone(&guard)));
    layer.named_layer(InterceptedService::new(documents, Door(guard)))
}

/// Who calls, as the interceptor found out.
#[derive(Clone)]
struct User(String);

/// Asks for all calls whether the caller may use the service at all. tonic's hook for that is synchronous.
#[derive(Clone)]
pub struct Door(Arc<Guard>);

impl Interceptor for Door {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let user = request.metadata().get(USER).and_then(|user| user.to_str().ok()).unwrap_or_default();
        if user.is_empty() {
            return Err(Status::unauthenticated(format!("say who you are in the metadata {USER:?}")));
        }
        let user = user.to_owned();
        self.0.check(&user, "documents")?;
        request.extensions_mut().insert(User(user));
        Ok(request)
    }
}

/// Asks for each document.
pub struct Shelf(Arc<Guard>);

#[tonic::async_trait]
impl Documents for Shelf {
    async fn read(&self, request: Request<ReadRequest>) -> Result<Response<Document>, Status> {
        // Nobody who comes past the interceptor is without a name; without one, the rules refuse.
        let user = request.extensions().get::<User>().map(|user| &*user.0).unwrap_or_default();
        let name = &request.get_ref().name;
        self.0.check(user, &format!("documents/{name}"))?;
        match SHELF.iter().find(|document| document.0 == name) {
            Some((_, text)) => Ok(Response::new(Document { text: (*text).to_owned() })),
            None => Err(Status::not_found(format!("there is no document {name:?}"))),
        }
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        let text = refusal.to_string();
        match &refusal {
            Refusal::Denied { .. } => Self::permission_denied(text),
            Refusal::NoDecision(error) => {
                // The cause is for our log, not for the caller.
                let mut status = Self::unavailable(text);
                if let Some(cause) = error.source() {
                    _ = writeln!(io::stderr(), "no decision: {cause}");
                }
                status.set_source(Arc::new(refusal));
                status
            }
        }
    }
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Door").field(&self.0).finish()
    }
}

impl fmt::Debug for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Shelf").field(&self.0).finish()
    }
}
