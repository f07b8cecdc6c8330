//! redis in fibers.
