//! What is said about overload: one warning for each episode, with what to change.

#![cfg(feature = "tracing")]

use tokio::sync::oneshot;
use tower_fiber::{FiberLayer, WaitExt as _};

use crate::events::Warnings;
use crate::support::{poll_once, until};

#[tokio::test]
async fn max_fibers_reached_is_reported_once_an_episode() {
    let warnings = Warnings::default();
    let _default = tracing::subscriber::set_default(warnings.clone());
    let layer = FiberLayer::builder().name("orders").max_fibers(1).build().unwrap();
    for _ in 0..2 {
        let (open, gate) = oneshot::channel::<()>();
        let mut running = Box::pin(layer.run(move || gate.wait().unwrap()));
        assert!(poll_once(&mut running).await.is_none());
        assert_eq!(warnings.take(), [""; 0], "nobody has to wait yet");
        let mut waiting: Vec<_> = (0..3).map(|_| Box::pin(layer.run(|| ()))).collect();
        for call in &mut waiting {
            assert!(poll_once(call).await.is_none());
        }
        let said = warnings.take();
        assert_eq!(said.len(), 1, "{said:?}");
        for text in ["orders", "max_fibers=1", "limit"] {
            assert!(said[0].contains(text), "{said:?}");
        }
        open.send(()).unwrap();
        running.await;
        for call in waiting {
            call.await;
        }
        until(|| layer.handle().live() == 0).await;
        assert_eq!(warnings.take(), [""; 0]);
        // The episode ends with a call that does not have to wait.
        layer.run(|| ()).await;
    }
}
