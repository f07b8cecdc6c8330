//! The thread-locals of the executable.

use std::{fs::File, ops::Range};

use object::{Object as _, ObjectSymbol as _, ReadCache, SymbolKind};

use super::{
    LintError,
    names::{self, Kind, Name},
};
use crate::raw::{Block, PROBE_PATH};

/// The executable of this process, even if the file was moved.
const PATH: &str = "/proc/self/exe";

/// A thread-local whose changes may do harm.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ThreadLocal {
    pub(super) path: String,
    /// Whether only scopes change it.
    pub(super) is_scope: bool,
    /// Its range in the block.
    pub(super) range: Range<usize>,
}

/// The thread-locals of the block, by position.
pub(super) fn thread_locals(block: Block) -> Result<Vec<ThreadLocal>, LintError> {
    const UNREADABLE: &str = "the executable cannot be read: mount `/proc`, and let this process read its own file";
    let file = File::open(PATH).map_err(|error| LintError::of(UNREADABLE, error))?;
    let cache = ReadCache::new(file);
    let file = object::File::parse(&cache).map_err(|error| LintError::of(UNREADABLE, error))?;
    let mut symbols: Vec<_> = file
        .symbols()
        .filter_map(|symbol| {
            let is_one = symbol.kind() == SymbolKind::Tls && !symbol.is_undefined();
            let start = usize::try_from(symbol.address()).ok()?;
            let end = start.checked_add(usize::try_from(symbol.size()).ok()?)?;
            (is_one && start < end && end <= block.len()).then_some((start..end, symbol.name().ok()?))
        })
        .collect();
    if symbols.is_empty() {
        return Err(LintError::new(
            "the executable has no symbols: build without `strip`, or with `strip = \"debuginfo\"`, which keeps them",
        ));
    }
    // The symbols belong to the running program if they have the probe at its place.
    let is_probe = |(range, symbol): &(Range<usize>, &str)| {
        let is_there = range.start == block.probe();
        is_there && names::demangle(symbol).is_some_and(|path| PROBE_PATH.iter().all(|part| path.contains(part)))
    };
    if !symbols.iter().any(is_probe) {
        return Err(LintError::new(
            "the executable's symbols do not name the crate's own thread-local where it lies: run the file that the \
             linker has written, with all its symbols",
        ));
    }
    // Several names at one place belong to one thread-local.
    symbols.sort_by_key(|(range, _)| (range.start, range.end));
    symbols.dedup_by_key(|(range, _)| range.start);
    let unknown = symbols.into_iter().filter_map(|(range, symbol)| {
        let Name { path, kind } = Name::of(symbol);
        (kind != Kind::Harmless).then_some(ThreadLocal { path, is_scope: kind == Kind::Scope, range })
    });
    Ok(unknown.collect())
}
