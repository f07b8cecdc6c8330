//! What the benches and the report share.

pub mod drive;
pub mod results;
pub mod work;
