//! Files that users of these libraries copy, here taken from the example `hooks` as they are.

#[expect(unreachable_pub, reason = "it is a file of a library")]
#[path = "../../hooks/src/opentelemetry.rs"]
pub(crate) mod opentelemetry;
#[expect(unreachable_pub, reason = "it is a file of a library")]
#[path = "../../hooks/src/ureq.rs"]
pub(crate) mod ureq;
