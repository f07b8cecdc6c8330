//! Scripts of fibers with foreign code at each point: those of the corpus, and those of nested fibers.

#[path = "../support/child.rs"]
mod child;
mod driver;
mod seeds;

mod corpus;
mod nesting;
