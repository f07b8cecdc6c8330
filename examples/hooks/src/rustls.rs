//! rustls in fibers.
