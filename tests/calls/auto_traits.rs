//! `Send`, `Sync` and `Unpin`, positive and negative, on stable: a negative check is an ambiguity that must not arise.

use std::{cell::Cell, convert::Infallible, rc::Rc};

use tower_fiber::{
    Cancelled, Counters, FiberHandle, FiberLayer, FiberLayerBuilder, FiberPool, FiberPoolBuilder, FiberService,
    InFiber, LocalFiber, OnDrop, SyncFn, WaitMode,
    error::{ConfigError, TryAwaitError},
    future::ResponseFuture,
};

type Plain = SyncFn<fn(u8) -> Result<Vec<u8>, Infallible>>;
type Response = ResponseFuture<Plain, u8>;

macro_rules! implements {
    ($($ty:ty: $($bound:ident)+;)+) => {
        #[test]
        fn implemented() {
            $($({
                fn check<T: $bound>() {}
                check::<$ty>();
            })+)+
        }
    };
}

// `check` is ambiguous, and does not compile, if the type implements the trait.
macro_rules! does_not_implement {
    ($($ty:ty: $($bound:ident)+;)+) => {
        #[test]
        fn not_implemented() {
            $($({
                trait Ambiguous<A> {
                    fn check() {}
                }
                struct Implemented;
                impl<T: ?Sized> Ambiguous<()> for T {}
                impl<T: ?Sized + $bound> Ambiguous<Implemented> for T {}
                <$ty as Ambiguous<_>>::check();
            })+)+
        }
    };
}

implements! {
    FiberLayer: Send Sync Unpin Clone;
    FiberLayerBuilder: Send Sync Unpin Clone;
    FiberHandle: Send Sync Unpin Clone;
    FiberPool: Send Sync Unpin Clone;
    FiberPoolBuilder: Send Sync Unpin Clone;
    FiberService<Plain>: Send Sync Unpin Clone;
    FiberService<Cell<u8>>: Send Unpin;
    Response: Send Unpin;
    InFiber<Vec<u8>>: Send Unpin;
    InFiber<Cell<u8>>: Send Unpin;
    LocalFiber<Rc<u8>>: Unpin;
    Plain: Send Sync Unpin Clone;
    Counters: Send Sync Unpin Copy;
    OnDrop: Send Sync Unpin Copy;
    WaitMode: Send Sync Unpin Copy;
    ConfigError: Send Sync Unpin;
    Cancelled: Send Sync Unpin;
    TryAwaitError<u8>: Send Sync Unpin;
}

#[cfg(feature = "per-core")]
mod per_core {
    use tower_fiber::per_core::{Core, Incoming, Listener, PerCore, PerCoreBuilder, PerCoreError};

    implements! {
        PerCore: Send Sync Unpin;
        PerCoreBuilder: Send Sync Unpin Clone;
        Core: Send Sync Unpin Clone;
        Listener: Send Sync Unpin;
        Incoming: Send Sync Unpin;
        PerCoreError: Send Sync Unpin;
    }
}

#[cfg(feature = "ws")]
mod ws {
    use tower_fiber::axum::{SendError, SyncWebSocket, WebSocketEnd, WebSocketSender};

    implements! {
        SyncWebSocket: Send Sync Unpin;
        WebSocketSender: Send Sync Unpin Clone;
        WebSocketEnd: Send Sync Unpin;
        SendError: Send Sync Unpin;
    }
}

does_not_implement! {
    FiberService<Rc<u8>>: Send Sync;
    FiberService<Cell<u8>>: Sync;
    Response: Sync Clone;
    InFiber<Vec<u8>>: Sync Clone;
    LocalFiber<u8>: Send Sync;
    LocalFiber<Rc<u8>>: Send Sync;
    TryAwaitError<Rc<u8>>: Send Sync;
}
