//! tungstenite in fibers.
