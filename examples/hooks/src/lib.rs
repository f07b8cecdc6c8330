//! Synchronous libraries that wait in fibers, one file per library. Each file depends on that library, on `tower-fiber`
//! and what both bring with them ([`minijinja`] on `tower-fiber-diesel` too, [`oauth2`] on ureq 3, [`ureq`] on
//! socket2): copy what you need.
//!
//! They are files and no features of `tower-fiber`, because each is short and bound to a version of its library: a
//! project chooses that version itself, and an upgrade of it does not wait for a release of `tower-fiber`.

pub mod minijinja;
pub mod oauth2;
pub mod opentelemetry;
pub mod redis;
pub mod rustls;
pub mod sentry;
pub mod tungstenite;
pub mod ureq;
