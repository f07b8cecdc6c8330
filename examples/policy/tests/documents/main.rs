//! The documents over loopback sockets, with policies that decide, refuse, are slow, or are not there.

mod at_once;
mod decisions;
mod harness;
mod no_decision;
