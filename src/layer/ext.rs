//! `.fiber()` on tower's builder and on services.

#[cfg(feature = "tower")]
use tower::ServiceBuilder;
#[cfg(feature = "tower")]
use tower_layer::Stack;

#[cfg(feature = "tower")]
use crate::layer::FiberLayer;
use crate::layer::FiberService;

/// Adds [`fiber`](Self::fiber) to [`tower::ServiceBuilder`] (feature `tower`).
#[cfg(feature = "tower")]
pub trait ServiceBuilderExt<L>: sealed::Builder + Sized {
    /// Runs the calls of the services below in fibers, with [`FiberLayer::new`].
    ///
    /// # Examples
    ///
    /// ```
    /// use tower::{ServiceBuilder, ServiceExt as _};
    /// use tower_fiber::{ServiceBuilderExt as _, in_fiber, sync_fn};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let service = ServiceBuilder::new().fiber().service(sync_fn(|()| Ok::<_, ()>(in_fiber())));
    /// assert_eq!(service.oneshot(()).await, Ok(true));
    /// # }
    /// ```
    fn fiber(self) -> ServiceBuilder<Stack<FiberLayer, L>>;
}

#[cfg(feature = "tower")]
impl<L> ServiceBuilderExt<L> for ServiceBuilder<L> {
    fn fiber(self) -> ServiceBuilder<Stack<FiberLayer, L>> {
        self.layer(FiberLayer::new())
    }
}

/// Adds [`fiber`](Self::fiber) to each [`Service`](tower_service::Service).
pub trait ServiceExt<Request>: tower_service::Service<Request> + Sized {
    /// Runs the calls of this service in fibers, with [`FiberLayer::new`](crate::FiberLayer::new).
    ///
    /// # Examples
    ///
    /// ```
    /// use tower::ServiceExt as _;
    /// use tower_fiber::{ServiceExt as _, in_fiber, sync_fn};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let service = sync_fn(|()| Ok::<_, ()>(in_fiber())).fiber();
    /// assert_eq!(service.oneshot(()).await, Ok(true));
    /// # }
    /// ```
    fn fiber(self) -> FiberService<Self> {
        FiberService::new(self)
    }
}

impl<S: tower_service::Service<Request>, Request> ServiceExt<Request> for S {}

#[cfg(feature = "tower")]
mod sealed {
    #[expect(unnameable_types, reason = "nobody else is to implement it")]
    pub trait Builder {}

    impl<L> Builder for tower::ServiceBuilder<L> {}
}
