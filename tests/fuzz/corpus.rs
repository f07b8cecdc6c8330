//! The scripts of the corpus, as the fuzzer runs them.

use std::{
    fs,
    io::{Write as _, stderr},
    path::{Path, PathBuf},
};

use crate::{
    child,
    driver::{
        self,
        bytes::{Code as _, Reader},
    },
    seeds,
};

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/script")
}

/// In a child process that has a time limit, since what they are to find may end or hang it.
#[test]
fn each_script_of_the_corpus_balances() {
    child::passes("corpus::each_script_of_the_corpus_balances", || {
        let mut scripts: Vec<PathBuf> = fs::read_dir(corpus()).unwrap().map(|entry| entry.unwrap().path()).collect();
        scripts.sort();
        for script in scripts {
            // Seen if the process ends.
            writeln!(stderr(), "{}", script.display()).unwrap();
            driver::run_bytes(&fs::read(&script).unwrap()).unwrap_or_else(|failures| panic!("{failures}"));
        }
    });
}

/// Whatever a waker does, the fiber goes on.
#[test]
fn wakers_leak_nothing() {
    child::passes("corpus::wakers_leak_nothing", || {
        let seeds = seeds::seeds().into_iter().filter(|(name, _)| name.starts_with("waker"));
        seeds.for_each(|(name, seed)| driver::run_whole(&seed).unwrap_or_else(|failures| panic!("{name}: {failures}")));
    });
}

/// Bytes mean another script when the language changes. `TOWER_FIBER_WRITE_SEEDS=1` writes those files anew.
#[test]
fn the_corpus_has_each_seed() {
    for (name, seed) in seeds::seeds() {
        let mut bytes = Vec::new();
        seed.write(&mut bytes);
        assert_eq!(driver::script::Script::read(&mut Reader::new(&bytes)), seed, "it is read as it was written");
        let path = corpus().join(format!("seed-{name}"));
        if std::env::var_os("TOWER_FIBER_WRITE_SEEDS").is_some() {
            fs::write(&path, &bytes).unwrap();
        }
        assert_eq!(fs::read(&path).unwrap_or_default(), bytes, "{} is not as in `seeds`", path.display());
    }
}
