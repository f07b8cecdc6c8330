//! Each code at the end of a message has a section in the chapter of errors, and each section a message.

use std::{collections::BTreeSet, fs, path::Path};

fn sources(directory: &Path, text: &mut String) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            // The chapters' links name codes as well, and are no messages.
            let file = fs::read_to_string(path).unwrap();
            file.lines().filter(|line| !line.starts_with("/// [")).for_each(|line| text.extend([line, "\n"]));
        }
    }
}

/// The codes that follow these words in the text.
fn codes<'a>(text: &'a str, before: &str) -> Vec<&'a str> {
    let code = |rest: &'a str| {
        let code = rest.get(..4).filter(|code| code[2..].bytes().all(|byte| byte.is_ascii_digit()))?;
        code.starts_with("TF").then_some(code)
    };
    text.split(before).skip(1).filter_map(code).collect()
}

#[test]
fn each_code_has_a_section() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut source = String::new();
    sources(&root.join("src"), &mut source);
    let chapter = fs::read_to_string(root.join("docs/errors.md")).unwrap();
    let sections = codes(&chapter, "\n### ");
    let explained: BTreeSet<_> = sections.iter().copied().collect();
    assert_eq!(explained.len(), sections.len(), "a code has two sections: {sections:?}");
    assert_eq!(codes(&source, " [").into_iter().collect::<BTreeSet<_>>(), explained);
    assert!(explained.len() >= 51, "{explained:?}");
}
