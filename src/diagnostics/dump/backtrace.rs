//! The useful part of a backtrace, without the frames of the wait and those below the fiber's job.

use std::backtrace::Backtrace;

/// The crate's frames below the code: handlers, jobs, the first function of the stack, and the frames below it.
const BELOW: [&str; 6] =
    ["axum::sync_handler::", "axum/sync_handler.rs", "call::jobs::", "call/jobs.rs", "raw::entry::", "raw/entry.rs"];
/// The crate's frames above the code: the wait, and taking the backtrace.
const ABOVE: [&str; 4] = ["wait::", "raw::", "wait/", "raw/"];

/// A function's name and the lines about its place.
type Frame<'a> = (&'a str, Vec<&'a str>);

/// Formats each function as a line with its name, and one with its place if that is known.
pub(super) fn of_code(backtrace: &Backtrace) -> String {
    let text = backtrace.to_string();
    let mut frames: Vec<Frame<'_>> = Vec::new();
    for line in text.lines() {
        match name(line) {
            Some(name) => frames.push((name, Vec::new())),
            None => frames.last_mut().into_iter().for_each(|(_, places)| places.push(line.trim())),
        }
    }
    // Cut the lower frames first: the frames of an enclosing fiber may follow, with their own wait.
    frames.truncate(frames.iter().position(|frame| is_one_of(&BELOW, frame)).unwrap_or(frames.len()));
    let code = frames.iter().rposition(|frame| is_one_of(&ABOVE, frame)).map_or(0, |last| last + 1);
    let mut shown = String::new();
    for (name, places) in &frames[code..] {
        shown.push_str(name);
        shown.push('\n');
        for place in places {
            shown.push_str("  ");
            shown.push_str(place);
            shown.push('\n');
        }
    }
    shown
}

/// Whether a frame is the crate's own, by its name or, since that may be shortened, by its file.
fn is_one_of(parts: &[&str], (name, places): &Frame<'_>) -> bool {
    let files = file!().strip_suffix("dump/backtrace.rs").unwrap_or("src/");
    let is_in = |text: &str, root: &str| parts.iter().any(|part| text.contains(&format!("{root}{part}")));
    is_in(name, "tower_fiber::") || places.iter().any(|place| is_in(place, files))
}

/// Returns the text after the number in a line such as `  12: main`.
fn name(line: &str) -> Option<&str> {
    let (number, name) = line.trim_start().split_once(": ")?;
    number.bytes().all(|digit| digit.is_ascii_digit()).then_some(name)
}
