//! The service as its clients and its operator meet it: a process of its own, over sockets.

mod ends;
mod harness;
mod recipes;
mod requests;
mod rubbish;
