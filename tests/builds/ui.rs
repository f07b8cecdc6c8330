//! What does not compile, and that the compiler then says why, at the right place.
//!
//! Each program in `tests/ui/refused` has a twin in `tests/ui/accepted` that differs in one line, so that it is refused
//! for that line's sake. After a deliberate change, `TRYBUILD=overwrite cargo test --all-features --test builds ui`
//! writes the messages anew.

use std::{fs, path::PathBuf, process::Command};

use trybuild::TestCases;

/// The compiler whose messages are in `tests/ui/refused/*.stderr`; others put some things in other words.
const COMPILER: &str = "rustc 1.95.";

/// The programs of a folder that the chosen features allow.
fn programs(folder: &str) -> Vec<PathBuf> {
    let folder = fs::read_dir(PathBuf::from("tests/ui").join(folder)).unwrap();
    let mut programs: Vec<_> = folder.map(|entry| entry.unwrap().path()).collect();
    programs.retain(|path| path.extension().is_some_and(|extension| extension == "rs"));
    programs.retain(|path| cfg!(feature = "axum") || !path.file_name().unwrap().to_str().unwrap().starts_with("axum"));
    programs.sort();
    assert!(!programs.is_empty());
    programs
}

#[test]
fn programs_compile_or_are_refused() {
    let cases = TestCases::new();
    for program in programs("accepted") {
        cases.pass(program);
    }
    let version = Command::new("rustc").arg("--version").output().unwrap().stdout;
    if String::from_utf8(version).unwrap().starts_with(COMPILER) {
        for program in programs("refused") {
            cases.compile_fail(program);
        }
    } else {
        println!("messages are compared with those of {COMPILER} only");
    }
}

#[test]
fn twins_differ_in_one_line() {
    for refused in programs("refused") {
        let accepted = PathBuf::from("tests/ui/accepted").join(refused.file_name().unwrap());
        let [refused, accepted] = [refused, accepted].map(|path| fs::read_to_string(path).unwrap());
        assert_eq!(refused.lines().count(), accepted.lines().count());
        let pairs = refused.lines().zip(accepted.lines());
        let differing: Vec<_> = pairs.filter(|(refused, accepted)| refused != accepted).collect();
        assert_eq!(differing.len(), 1, "{differing:?}");
    }
    assert_eq!(programs("accepted").len(), programs("refused").len());
}
