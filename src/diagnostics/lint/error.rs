//! Why the lint cannot work.

use std::{error::Error, fmt};

type Source = Box<dyn Error + Send + Sync>;

/// Why [`enable`](super::enable) cannot work in this process. The text says what to change.
#[derive(Debug)]
pub struct LintError {
    text: &'static str,
    source: Option<Source>,
}

impl LintError {
    pub(super) fn new(text: &'static str) -> Self {
        Self { text, source: None }
    }

    #[cfg(target_os = "linux")]
    pub(super) fn of(text: &'static str, source: impl Into<Source>) -> Self {
        Self { text, source: Some(source.into()) }
    }
}

impl fmt::Display for LintError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [TF49]", self.text)
    }
}

impl Error for LintError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| &**source as _)
    }
}
