//! Each public path of the crate's that a message, a chapter or a comment names, such as `FiberHandle::close`, is in
//! `api.txt`, which `.ci/api` compares with the library.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Names that stand behind names of the crate's modules, and are those of other crates, or of a backtrace's lines.
const OF_OTHERS: [(&str, &[&str]); 4] = [
    ("axum", &["Router", "body", "extract", "http", "middleware", "response", "routing", "sync_handler"]),
    ("future", &["pending", "ready"]),
    ("io", &["AsyncWriteExt", "BufRead", "Error", "ErrorKind", "Read", "Result", "Seek", "Write", "read_to_string"]),
    ("sync", &["Arc", "oneshot"]),
];

/// What follows `tower_fiber::` and is not public: the target of events, a part of functions' names in backtraces, and
/// what the changelog says of former versions.
const NOT_PUBLIC: [&str; 4] = ["blocking", "raw", "guide", "watch"];

/// Functions that a trait gives to the types that implement it.
const OF_TRAITS: [(&str, &[&str]); 4] =
    [("Default", &["default"]), ("From", &["from"]), ("Layer", &["layer"]), ("Service", &["call", "poll_ready"])];

/// The files below a directory, of this kind.
fn files(directory: &Path, kind: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, kind, found);
        } else if path.extension().is_some_and(|extension| extension == kind) {
            found.push(path);
        }
    }
}

fn is_of_path(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == ':'
}

fn word(text: &str) -> &str {
    &text[..text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len())]
}

/// The path that `text` begins with.
fn path(text: &str) -> &str {
    text[..text.find(|c| !is_of_path(c)).unwrap_or(text.len())].trim_end_matches(':')
}

/// The name of the trait in `impl<T> Trait<U>`.
fn trait_of(header: &str) -> &str {
    let mut depth = 0;
    let mut end = header.len();
    for (at, c) in header.char_indices().rev() {
        match c {
            '>' => depth += 1,
            '<' => {
                depth -= 1;
                end = at;
            }
            ' ' if depth == 0 => return &header[at + 1..end.max(at + 1)],
            _ => {}
        }
    }
    header
}

/// What can stand behind the `::` of a public type, by the type's name, and of a module, by its path.
#[derive(Default)]
struct Interface {
    types: BTreeMap<String, BTreeSet<String>>,
    modules: BTreeMap<String, BTreeSet<String>>,
}

impl Interface {
    fn read(lines: &str) -> Self {
        let mut interface = Self::default();
        for line in lines.lines() {
            let line = line.trim_start_matches("#[non_exhaustive] ");
            if line.starts_with("impl") {
                let Some((header, implementer)) = line.split_once(" for tower_fiber::") else { continue };
                let implementer = path(implementer).rsplit("::").next().unwrap();
                let methods = OF_TRAITS.iter().find(|(name, _)| *name == trait_of(header)).map(|(_, methods)| *methods);
                let methods = methods.unwrap_or_default().iter().map(|&method| method.to_owned());
                interface.types.entry(implementer.to_owned()).or_default().extend(methods);
                continue;
            }
            let (kind, rest) = match line.split_once(' ') {
                Some((kind, rest)) if !kind.starts_with("tower_fiber") => (kind, rest),
                _ => ("", line),
            };
            let (owner, name) = match rest.split_once("fn ").filter(|_| kind.is_empty()) {
                // What stands between is `const`, `unsafe` or `async`.
                Some((owner, function)) => (owner.rsplit_once("::").unwrap().0, word(function)),
                // A field, which its type follows, or what its generics may follow.
                None => match path(rest) {
                    owner if rest[owner.len()..].starts_with('.') => (owner, word(&rest[owner.len() + 1..])),
                    "tower_fiber" => continue,
                    path => path.rsplit_once("::").unwrap(),
                },
            };
            if ["struct", "enum", "union", "trait"].contains(&kind) {
                interface.types.entry(name.to_owned()).or_default();
            }
            let last = owner.rsplit("::").next().unwrap();
            let members = if last.starts_with(char::is_uppercase) {
                interface.types.entry(last.to_owned())
            } else {
                interface.modules.entry(owner.to_owned())
            };
            members.or_default().insert(name.to_owned());
        }
        interface
    }

    /// Returns the last name of `path` that is looked at, or the first that is not public; `None` if the path does not
    /// begin in the crate.
    fn find<'a>(&self, path: &'a str) -> Option<Result<&'a str, &'a str>> {
        let mut names = path.split("::").peekable();
        let mut module = "tower_fiber".to_owned();
        let first = *names.peek().unwrap();
        let is_rooted = first == "tower_fiber";
        if is_rooted || first == "crate" {
            names.next();
        }
        let mut last = *names.peek()?;
        let inner = format!("tower_fiber::{last}");
        if self.modules.contains_key(&inner) {
            names.next();
            module = inner;
        } else if !self.types.contains_key(last) && !is_rooted {
            return None;
        }
        while let Some(name) = names.next() {
            last = name;
            let inner = format!("{module}::{name}");
            if self.modules.contains_key(&inner) {
                module = inner;
                continue;
            }
            let of_module = module.rsplit("::").next().unwrap();
            if !(self.modules[&module].contains(name)
                || !is_rooted && self.types.contains_key(name) && of_module == "tower_fiber")
            {
                let is_other = is_rooted && of_module == "tower_fiber" && NOT_PUBLIC.contains(&name)
                    || !is_rooted && OF_OTHERS.iter().any(|(of, names)| *of == of_module && names.contains(&name));
                return (!is_other).then_some(Err(name));
            }
            if let (Some(members), Some(&member)) = (self.types.get(name), names.peek()) {
                return Some(if members.contains(member) { Ok(member) } else { Err(member) });
            }
            break;
        }
        Some(Ok(last))
    }
}

#[test]
fn named_paths_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let interface = Interface::read(&fs::read_to_string(root.join("api.txt")).unwrap());
    assert!(interface.types["FiberLayerBuilder"].contains("stack_size"), "{:?}", interface.types);
    assert!(interface.modules["tower_fiber::io"].contains("lookup_host"), "{:?}", interface.modules);
    let mut paths = Vec::new();
    files(&root.join("src"), "rs", &mut paths);
    files(&root.join("docs"), "md", &mut paths);
    files(&root.join("examples"), "md", &mut paths);
    paths.extend(["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "BENCHMARKS.md"].map(|name| root.join(name)));
    let (mut members, mut functions, mut missing) = (0, 0, Vec::new());
    for file in paths {
        let text = fs::read_to_string(&file).unwrap();
        // The compiler looks at the code itself, and not at its comments and texts.
        let of_code = |line: &str| line.split('"').skip(1).step_by(2).collect::<Vec<_>>().join(" ");
        let is_prose = |line: &str| file.extension().unwrap() == "md" || line.trim_start().starts_with("//");
        let prose = text.lines().map(|line| if is_prose(line) { line.to_owned() } else { of_code(line) });
        for line in prose {
            for named in line.split(|c| !is_of_path(c)).map(path).filter(|path| path.contains("::")) {
                match interface.find(named) {
                    Some(Err(name)) => missing.push(format!("{}: there is no `{name}` in `{named}`", file.display())),
                    Some(Ok(_)) if named.starts_with(char::is_uppercase) => members += 1,
                    Some(Ok(_)) => functions += 1,
                    None => {}
                }
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
    assert!(members > 100 && functions > 100, "only {members} and {functions} paths were found");
}
