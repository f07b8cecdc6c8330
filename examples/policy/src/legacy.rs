//! The authorisation as it has always been: plain synchronous code.

use std::{
    collections::HashMap,
    error, fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// How many decisions are kept at most.
const ROOM: usize = 10_000;

/// Decides what no rule decides.
pub trait Policy: Send + Sync + 'static {
    /// Whether `who` may do `what`.
    ///
    /// # Errors
    ///
    /// If there is no decision at present.
    fn allows(&self, who: &str, what: &str) -> Result<bool, NoDecision>;
}

/// Decides by itself, or leaves it to the next rule.
pub type Rule = fn(who: &str, what: &str) -> Option<bool>;

/// The rules of the house, in order.
pub const RULES: [Rule; 2] =
    [|who, _| who.is_empty().then_some(false), |_, what| what.ends_with("/welcome").then_some(true)];

/// Asks the rules in order, then a [`Policy`], whose decisions are kept for a while.
pub struct Guard {
    rules: Vec<Rule>,
    policy: Box<dyn Policy>,
    keep: Duration,
    decided: Mutex<HashMap<(String, String), (bool, Instant)>>,
}

impl Guard {
    /// A guard with the [`RULES`], that keeps decisions of `policy` for as long as `keep`.
    pub fn new(policy: impl Policy, keep: Duration) -> Self {
        Self { rules: RULES.to_vec(), policy: Box::new(policy), keep, decided: Mutex::default() }
    }

    /// Lets `who` do `what`, or not.
    ///
    /// # Errors
    ///
    /// If it is not allowed, or nobody can say at present.
    pub fn check(&self, who: &str, what: &str) -> Result<(), Refusal> {
        let allowed = match self.rules.iter().find_map(|rule| rule(who, what)) {
            Some(decision) => decision,
            None => self.ask(who, what).map_err(Refusal::NoDecision)?,
        };
        if allowed { Ok(()) } else { Err(Refusal::Denied { who: who.to_owned(), what: what.to_owned() }) }
    }

    fn ask(&self, who: &str, what: &str) -> Result<bool, NoDecision> {
        let question = (who.to_owned(), what.to_owned());
        let kept = self.decided().get(&question).copied();
        if let Some((decision, _)) = kept.filter(|(_, when)| when.elapsed() < self.keep) {
            return Ok(decision);
        }
        // The lock is not held here: another fiber of this thread that wants it would never get it.
        let decision = self.policy.allows(who, what)?;
        let mut decided = self.decided();
        if decided.len() >= ROOM {
            decided.clear();
        }
        decided.insert(question, (decision, Instant::now()));
        Ok(decision)
    }

    fn decided(&self) -> MutexGuard<'_, HashMap<(String, String), (bool, Instant)>> {
        // Each change is one insertion, so what a panic leaves is whole.
        self.decided.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("keep", &self.keep).finish_non_exhaustive()
    }
}

/// Nobody can decide at present.
#[derive(Debug)]
pub struct NoDecision {
    cause: Box<dyn error::Error + Send + Sync>,
}

impl NoDecision {
    /// Because of `cause`.
    pub fn new(cause: impl Into<Box<dyn error::Error + Send + Sync>>) -> Self {
        Self { cause: cause.into() }
    }
}

impl fmt::Display for NoDecision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nobody can decide at present, try again later")
    }
}

impl error::Error for NoDecision {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&*self.cause)
    }
}

/// Why somebody may not do something.
#[derive(Debug)]
pub enum Refusal {
    /// It is not allowed.
    Denied {
        /// To whom.
        who: String,
        /// What.
        what: String,
    },
    /// Nobody can say.
    NoDecision(NoDecision),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied { who, what } => write!(f, "{who:?} may not use {what}, ask for the permission"),
            Self::NoDecision(error) => error.fmt(f),
        }
    }
}

impl error::Error for Refusal {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Denied { .. } => None,
            Self::NoDecision(error) => error.source(),
        }
    }
}
