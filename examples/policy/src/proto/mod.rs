//! The two services: one gives documents, the other decides who may read them.

pub mod decisions;
pub mod documents;
