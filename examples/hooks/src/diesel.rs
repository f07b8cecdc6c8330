//! diesel in fibers.
