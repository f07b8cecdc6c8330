//! Where results lie.

use std::{env, path::PathBuf};

/// The workspace.
#[must_use]
pub fn workspace() -> PathBuf {
    let mut path = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    path.pop();
    path
}

/// Cargo's target directory.
#[must_use]
pub fn target() -> PathBuf {
    let set = env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    workspace().join(set)
}
