//! What the name of a symbol says about its thread-local.

/// A thread-local, by its symbol.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Name {
    /// Its path in the source.
    pub(super) path: String,
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Its changes are harmless.
    Harmless,
    /// Only scopes change it.
    Scope,
    Unknown,
}

/// Crates whose thread-locals may change during a wait without harm. Spans are exchanged at each switch. Of tokio's
/// thread-locals, only the runtime's are harmless.
const HARMLESS_CRATES: &[&str] = &[
    "alloc",
    "core",
    "corosensei",
    "fastrand",
    "hyper",
    "mimalloc",
    "parking_lot",
    "parking_lot_core",
    "rand",
    "rand_core",
    "sharded_slab",
    "std",
    "thread_local",
    "tower_fiber",
    "tracing_core",
    "tracing_subscriber",
];

/// Modules whose thread-locals are harmless.
const HARMLESS_MODULES: &[&str] = &["tokio::runtime::"];

/// Prefixes of allocators written in C: mimalloc and jemalloc.
const HARMLESS_PREFIXES: &[&str] = &["_mi_", "mi_", "_rjem_", "je_", "tsd_"];

/// The names that `task_local!` and `scoped_thread_local!` give the thread-local in their keys.
const SCOPES: &[&str] = &["__KEY", "FOO"];

/// The names that `thread_local!` gives the variable in its keys, newest first.
const VARIABLES: &[&str] = &["__RUST_STD_INTERNAL_VAL", "VAL"];

/// Returns the path of a symbol, without its hash.
pub(super) fn demangle(symbol: &str) -> Option<String> {
    rustc_demangle::try_demangle(symbol).ok().map(|name| format!("{name:#}"))
}

impl Name {
    pub(super) fn of(symbol: &str) -> Self {
        match demangle(symbol) {
            Some(path) => Self::of_path(&path),
            None => {
                let is_harmless = HARMLESS_PREFIXES.iter().any(|prefix| symbol.starts_with(prefix));
                let kind = if is_harmless { Kind::Harmless } else { Kind::Unknown };
                Self { path: symbol.to_owned(), kind }
            }
        }
    }

    fn of_path(path: &str) -> Self {
        let key = without_variable(path);
        let (path, kind) = match key.rsplit_once("::") {
            Some((outer, last)) if SCOPES.contains(&last) && key != path => (outer, Kind::Scope),
            _ => (key, Kind::Unknown),
        };
        Self { path: path.to_owned(), kind: if is_harmless(path) { Kind::Harmless } else { kind } }
    }
}

/// Returns the path of the key whose variable is `path`.
fn without_variable(path: &str) -> &str {
    let Some((mut key, variable)) = path.rsplit_once("::") else { return path };
    // The variable is inside a constant and a closure: `KEY::{{constant}}::{{closure}}::VAL`.
    if !VARIABLES.contains(&variable) || !key.ends_with('}') {
        return path;
    }
    while let Some((outer, last)) = key.rsplit_once("::") {
        if !last.starts_with('{') {
            break;
        }
        key = outer;
    }
    key
}

/// Whether a path belongs to a harmless crate or module. An associated path (`<Type as Trait>::function::KEY`) does if
/// its type and trait do.
fn is_harmless(path: &str) -> bool {
    let path = path.trim_start_matches(['_', '<', '&']);
    let of_trait = path.split_once(" as ").map_or(path, |(_, of_trait)| of_trait);
    [path, of_trait].iter().all(|path| {
        let root = path.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
        HARMLESS_CRATES.contains(&root) || HARMLESS_MODULES.iter().any(|module| path.starts_with(module))
    })
}

#[cfg(test)]
mod tests {
    use super::{Kind, Name};

    #[track_caller]
    fn check(symbol_path: &str, path: &str, kind: Kind) {
        assert_eq!(Name::of_path(symbol_path), Name { path: path.to_owned(), kind });
    }

    #[test]
    fn keys_are_named_as_in_the_source() {
        const INSIDE: &str = "::{{constant}}::{{closure}}::__RUST_STD_INTERNAL_VAL";
        check(&format!("shop::cart::DEPTH{INSIDE}"), "shop::cart::DEPTH", Kind::Unknown);
        check("shop::DEPTH::{K#0}::{closure#1}::VAL", "shop::DEPTH", Kind::Unknown);
        check(&format!("shop::f::{{{{closure}}}}::DEPTH{INSIDE}"), "shop::f::{{closure}}::DEPTH", Kind::Unknown);
        check(&format!("shop::USER::__KEY{INSIDE}"), "shop::USER", Kind::Scope);
        check(&format!("shop::NAME::FOO{INSIDE}"), "shop::NAME", Kind::Scope);
        check("shop::FOO", "shop::FOO", Kind::Unknown);
        check("shop::VAL", "shop::VAL", Kind::Unknown);
    }

    #[test]
    fn crates_are_told_by_their_first_name() {
        check("std::thread::current::ID", "std::thread::current::ID", Kind::Harmless);
        check("standard::ID", "standard::ID", Kind::Unknown);
        check("tokio::runtime::context::CONTEXT", "tokio::runtime::context::CONTEXT", Kind::Harmless);
        check("tokio::task::local::CURRENT", "tokio::task::local::CURRENT", Kind::Unknown);
        let own = "<alloc::vec::Vec<u8> as shop::Cached>::get::CACHE";
        check(own, own, Kind::Unknown);
        let foreign = "<std::fs::File as core::fmt::Debug>::fmt::CACHE";
        check(foreign, foreign, Kind::Harmless);
    }

    #[test]
    fn names_of_c_stay() {
        let kind = |symbol| Name::of(symbol).kind;
        assert_eq!([kind("_mi_heap_default"), kind("_rjem_je_tsd_tls")], [Kind::Harmless; 2]);
        assert_eq!(Name::of("depth"), Name { path: "depth".to_owned(), kind: Kind::Unknown });
    }
}
