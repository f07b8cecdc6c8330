//! A request may be moved to another thread.

use std::{convert::Infallible, rc::Rc, sync::Arc};

use tower::Service;
use tower_fiber::{FiberService, sync_fn};

type Request = Arc<str>;

fn length(request: Request) -> Result<usize, Infallible> {
    Ok(request.len())
}

fn serve(_: impl Service<Request>) {}

fn main() {
    let _ = Rc::new(());
    let _ = Arc::new(());
    serve(FiberService::new(sync_fn(length)));
}
