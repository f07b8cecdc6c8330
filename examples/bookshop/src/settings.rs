//! What the environment says.

use std::error::Error;
use std::ffi::OsString;
use std::fmt;
use std::time::Duration;

/// How to run the shop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `PORT`: where the shop listens, on the loopback address. 3000 by default; 0 lets the system choose.
    pub port: u16,
    /// `SUPPLIER_LATENCY_MS`: how long the supplier takes for an answer. 100 ms by default.
    pub supplier_latency: Duration,
    /// `ONE_THREAD`: 1 serves everything on one thread, 0 (the default) on one per core.
    pub one_thread: bool,
}

/// A variable of the environment has a value that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingError {
    name: &'static str,
    expected: &'static str,
    value: OsString,
}

impl Settings {
    /// Reads the variables through `variable`, which is `std::env::var_os` outside of tests.
    ///
    /// # Errors
    ///
    /// [`SettingError`] names the variable that makes no sense, and what it may be.
    pub fn read(variable: impl Fn(&str) -> Option<OsString>) -> Result<Self, SettingError> {
        let number = "a number from 0 to 65535";
        let port = parse("PORT", &variable, number, |text| text.parse().ok())?;
        let latency: Option<u16> = parse("SUPPLIER_LATENCY_MS", &variable, number, |text| text.parse().ok())?;
        let one_thread = parse("ONE_THREAD", &variable, "0 or 1", |text| match text {
            "0" => Some(false),
            "1" => Some(true),
            _ => None,
        })?;
        Ok(Self {
            port: port.unwrap_or(3000),
            supplier_latency: Duration::from_millis(latency.unwrap_or(100).into()),
            one_thread: one_thread.unwrap_or(false),
        })
    }
}

/// What a variable says, if it is set.
fn parse<T>(
    name: &'static str,
    variable: impl Fn(&str) -> Option<OsString>,
    expected: &'static str,
    read: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, SettingError> {
    let Some(value) = variable(name) else {
        return Ok(None);
    };
    match value.to_str().and_then(read) {
        Some(setting) => Ok(Some(setting)),
        None => Err(SettingError { name, expected, value }),
    }
}

impl fmt::Display for SettingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, expected, value } = self;
        write!(f, "{name} must be {expected}, not {value:?}")
    }
}

impl Error for SettingError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, value: &str) -> Result<Settings, String> {
        let variable = |asked: &str| (asked == name).then(|| value.into());
        Settings::read(variable).map_err(|error| error.to_string())
    }

    #[test]
    fn an_empty_environment_gives_the_defaults() {
        let defaults = Settings { port: 3000, supplier_latency: Duration::from_millis(100), one_thread: false };
        assert_eq!(Settings::read(|_| None), Ok(defaults));
    }

    #[test]
    fn each_variable_is_read() {
        assert_eq!(read("PORT", "8080").map(|s| s.port), Ok(8080));
        let latency = read("SUPPLIER_LATENCY_MS", "250").map(|s| s.supplier_latency);
        assert_eq!(latency, Ok(Duration::from_millis(250)));
        assert_eq!(read("ONE_THREAD", "1").map(|s| s.one_thread), Ok(true));
    }

    #[test]
    fn rubbish_is_refused_by_name() {
        let number = "must be a number from 0 to 65535, not";
        for value in ["", "http", "-1", "65536", "80 "] {
            let expected = Err(format!("PORT {number} {value:?}"));
            assert_eq!(read("PORT", value), expected);
        }
        let expected = Err("ONE_THREAD must be 0 or 1, not \"yes\"".to_owned());
        assert_eq!(read("ONE_THREAD", "yes"), expected);
    }
}
