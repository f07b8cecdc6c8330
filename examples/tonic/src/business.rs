//! Plain synchronous business code.

use std::{error, fmt, time::Duration};

/// Where titles are looked up.
pub trait Directory: Send + Sync + 'static {
    /// The title of a person; `None` if the directory does not have this person.
    ///
    /// # Errors
    ///
    /// If the directory cannot answer at present.
    fn title_of(&self, name: &str) -> Result<Option<String>, Unavailable>;
}

/// The polite greeting of a person.
///
/// # Errors
///
/// If the name is empty or unknown, or the directory unavailable.
pub fn greet(directory: &dyn Directory, name: &str) -> Result<String, GreetError> {
    let name = name.trim();
    if name.is_empty() {
        return Err(GreetError::NoName);
    }
    match directory.title_of(name)? {
        Some(title) => Ok(format!("Good day, {title} {name}")),
        None => Err(GreetError::Unknown(name.to_owned())),
    }
}

/// One greeting of everybody.
///
/// # Errors
///
/// If there is nobody, if one of them cannot be greeted, and the first error of `names`.
pub fn greet_all<E: From<GreetError>>(
    directory: &dyn Directory,
    names: impl IntoIterator<Item = Result<String, E>>,
) -> Result<String, E> {
    let greetings: Vec<String> =
        names.into_iter().map(|name| Ok(greet(directory, &name?)?)).collect::<Result<_, E>>()?;
    if greetings.is_empty() {
        return Err(GreetError::NoName.into());
    }
    Ok(greetings.join("; "))
}

/// Greets a person again and again, with the title of the day, until `say` fails.
///
/// # Errors
///
/// As [`greet`], and what `say` fails with.
pub fn watch<E: From<GreetError>>(
    directory: &dyn Directory,
    name: &str,
    mut say: impl FnMut(String) -> Result<(), E>,
) -> Result<(), E> {
    loop {
        say(greet(directory, name)?)?;
    }
}

/// Greets each as they come, asks those who are unknown, and says goodbye when nobody comes any more.
///
/// # Errors
///
/// As [`greet`] except for unknown names, the first error of `names`, and what `say` fails with.
pub fn chat<E: From<GreetError>>(
    directory: &dyn Directory,
    names: impl IntoIterator<Item = Result<String, E>>,
    mut say: impl FnMut(String) -> Result<(), E>,
) -> Result<(), E> {
    for name in names {
        say(match greet(directory, &name?) {
            Ok(greeting) => greeting,
            Err(GreetError::Unknown(name)) => format!("Who are you, {name}?"),
            Err(error) => return Err(error.into()),
        })?;
    }
    say("Goodbye".to_owned())
}

/// The directory cannot answer at present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unavailable {
    /// After which time it is worth asking again.
    pub retry_after: Duration,
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the directory is unavailable, try again in {:?}", self.retry_after)
    }
}

impl error::Error for Unavailable {}

/// Why somebody cannot be greeted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GreetError {
    /// The name is empty.
    NoName,
    /// The directory does not have this name.
    Unknown(String),
    /// The directory did not answer.
    Directory(Unavailable),
}

impl From<Unavailable> for GreetError {
    fn from(error: Unavailable) -> Self {
        Self::Directory(error)
    }
}

impl fmt::Display for GreetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoName => f.write_str("the name is empty, give one"),
            Self::Unknown(name) => write!(f, "nobody is called {name:?}"),
            Self::Directory(_) => f.write_str("the title could not be looked up"),
        }
    }
}

impl error::Error for GreetError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Directory(error) => Some(error),
            Self::NoName | Self::Unknown(_) => None,
        }
    }
}
