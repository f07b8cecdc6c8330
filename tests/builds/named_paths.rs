//! Each path of the crate's that a message, a chapter or a comment names, `FiberHandle::close` for one, is there.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

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

fn word(text: &str) -> &str {
    &text[..text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len())]
}

/// What follows one of these words, and others between them, at the beginning of a line.
fn item<'a>(line: &'a str, kinds: &[&str]) -> Option<&'a str> {
    let mut rest = line;
    loop {
        let first = rest.split_whitespace().next()?;
        rest = rest[first.len()..].trim_start();
        if kinds.contains(&first) {
            return Some(word(rest));
        }
        if !["pub", "const", "async", "unsafe"].contains(&first) {
            return None;
        }
    }
}

/// Public types and traits, and what can stand behind their `::`.
fn members(sources: &[String]) -> BTreeMap<String, BTreeSet<String>> {
    let mut members: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let is_type = |line: &str| item(line, &["struct", "enum", "trait"]).map(str::to_owned);
    for line in sources.iter().flat_map(|source| source.lines()).filter(|line| line.starts_with("pub ")) {
        members.extend(is_type(line).map(|name| (name, BTreeSet::new())));
    }
    for source in sources {
        let mut owner = None;
        for line in source.lines() {
            if line.starts_with('}') {
                owner = None;
            } else if line.starts_with("pub ") {
                owner = is_type(line);
            } else if line.starts_with("impl") {
                // The last of the header's names that is a type: that behind `for`, if there is one.
                let header = line.split(" where ").next().unwrap().rsplit(" for ").next().unwrap();
                owner = header
                    .split(|c: char| !c.is_alphanumeric())
                    .find(|name| members.contains_key(*name))
                    .map(str::to_owned);
            }
            let Some(owner) = owner.as_ref().and_then(|owner| members.get_mut(owner)) else { continue };
            let Some(inner) = line.strip_prefix("    ").filter(|inner| !inner.starts_with([' ', '/', '#'])) else {
                continue;
            };
            // A function, a constant, a field, or a variant.
            let name = item(inner, &["fn", "type"])
                .unwrap_or_else(|| word(inner.trim_start_matches("pub ").trim_start_matches("const ")));
            owner.insert(name.to_owned());
        }
    }
    members
}

#[test]
fn named_paths_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    files(&root.join("src"), "rs", &mut paths);
    let sources: Vec<String> = paths.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let members = members(&sources);
    assert!(members["FiberLayerBuilder"].contains("stack_size"), "{members:?}");
    files(&root.join("docs"), "md", &mut paths);
    files(&root.join("examples"), "md", &mut paths);
    paths.extend(["README.md", "CHANGELOG.md"].map(|name| root.join(name)));
    let mut seen = 0;
    for path in paths {
        let text = fs::read_to_string(&path).unwrap();
        // The compiler looks at the code itself, and not at its comments and texts.
        let of_code = |line: &str| line.split('"').skip(1).step_by(2).collect::<Vec<_>>().join(" ");
        let is_prose = |line: &str| path.extension().unwrap() == "md" || line.trim_start().starts_with("//");
        let prose = text.lines().map(|line| if is_prose(line) { line.to_owned() } else { of_code(line) });
        let text = prose.collect::<Vec<_>>().join("\n");
        for (at, _) in text.match_indices("::") {
            let before = &text[..at];
            let begin = before.rfind(|c: char| !c.is_alphanumeric()).map_or(0, |index| index + 1);
            let (owner, name) = (&before[begin..], word(&text[at + 2..]));
            // Types of other crates that have the same name are written with their crate's.
            let is_of_other = before[..begin]
                .strip_suffix("::")
                .is_some_and(|path| !path.ends_with("crate") && !path.ends_with("tower_fiber"));
            if let Some(members) = members.get(owner).filter(|_| !is_of_other && !name.is_empty()) {
                assert!(members.contains(name), "{}: there is no `{owner}::{name}`", path.display());
                seen += 1;
            }
        }
    }
    assert!(seen > 100, "only {seen} paths were found");
}
