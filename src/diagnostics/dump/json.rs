//! A dump as JSON, written by hand: a serializer would be a dependency of every user.

use std::fmt::{self, Write as _};

use super::{Dump, FiberInfo, FiberState};

impl Dump {
    /// Returns the dump as JSON, in one line.
    ///
    /// ```json
    /// {"fibers":[{"id":"1-7","service":"orders","thread":"thread `main` (ThreadId(1))","age_seconds":0.25,"abandoned_seconds":null,"state":"waiting","waits_at":"src/orders.rs:14:37","backtrace":null}],"unlisted":0}
    /// ```
    ///
    /// The names are those of the fields. What is `None` is `null`, and `state` is `running` or `waiting`.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_fiber::FiberLayer;
    ///
    /// assert_eq!(FiberLayer::new().handle().dump().to_json(), r#"{"fibers":[],"unlisted":0}"#);
    /// ```
    #[must_use]
    pub fn to_json(&self) -> String {
        format!("{{{}}}", Members(self))
    }
}

/// The members of a dump's object.
pub(crate) struct Members<'a>(pub(crate) &'a Dump);

impl fmt::Display for Members<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(Dump { fibers, unlisted }) = self;
        f.write_str("\"fibers\":[")?;
        for (index, fiber) in fibers.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { "," })?;
            object(f, fiber)?;
        }
        write!(f, "],\"unlisted\":{unlisted}")
    }
}

fn object(f: &mut fmt::Formatter<'_>, fiber: &FiberInfo) -> fmt::Result {
    let FiberInfo { id, service, thread, age, abandoned, state, waits_at, backtrace } = fiber;
    write!(f, "{{\"id\":\"{id}\",\"service\":{},\"thread\":{}", Text(service), Text(thread))?;
    for (name, time) in [("age", age), ("abandoned", abandoned)] {
        match time {
            Some(time) => write!(f, ",\"{name}_seconds\":{}", time.as_secs_f64())?,
            None => write!(f, ",\"{name}_seconds\":null")?,
        }
    }
    let state = match state {
        FiberState::Running => "running",
        FiberState::Waiting => "waiting",
    };
    write!(f, ",\"state\":\"{state}\"")?;
    match waits_at {
        Some(place) => write!(f, ",\"waits_at\":{}", Text(&place.to_string()))?,
        None => f.write_str(",\"waits_at\":null")?,
    }
    match backtrace {
        Some(backtrace) => write!(f, ",\"backtrace\":{}}}", Text(backtrace)),
        None => f.write_str(",\"backtrace\":null}"),
    }
}

/// A text in quotes.
pub(crate) struct Text<'a>(pub(crate) &'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for c in self.0.chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                '\n' => f.write_str("\\n")?,
                c if c.is_control() => write!(f, "\\u{:04x}", c as u32)?,
                c => f.write_char(c)?,
            }
        }
        f.write_char('"')
    }
}
