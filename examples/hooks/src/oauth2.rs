//! oauth2 in fibers.
