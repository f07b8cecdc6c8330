//! [`silence`]: the error of a client that has sent nothing for too long.

use std::{
    error::Error,
    fmt,
    io::{self, ErrorKind},
};

use crate::error::Elapsed;

/// Returns an error of the kind `TimedOut` whose text is `text` and whose source is an [`Elapsed`].
pub(super) fn silence(text: String) -> io::Error {
    io::Error::new(ErrorKind::TimedOut, Silence { text, source: Elapsed::new() })
}

#[derive(Debug)]
struct Silence {
    text: String,
    source: Elapsed,
}

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for Silence {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}
