//! ureq in fibers.
