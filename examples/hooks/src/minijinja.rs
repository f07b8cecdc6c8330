//! minijinja in fibers.
