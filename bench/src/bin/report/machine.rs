//! On what was measured.

use std::{env, fs, process::Command, thread};

use bench::results;

use crate::{Result, table::Table};

/// Crates whose version matters for the figures.
const CRATES: [&str; 10] =
    ["axum", "corosensei", "criterion", "diesel-async", "hyper", "may", "stackful", "tokio", "tokio-util", "tower"];

pub(crate) fn section() -> Result<String> {
    let mut table = Table::new(&["what", "which"]);
    let mut row = |what: &str, which: String| table.row([what.to_owned(), which]);
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    row("processor", field(&cpu, "model name"));
    row("cores", thread::available_parallelism()?.to_string());
    row("memory", field(&memory, "MemTotal"));
    row("kernel", said_by("uname", &["-sr"]));
    row("compiler", said_by(&env::var("RUSTC").unwrap_or_else(|_| "rustc".into()), &["--version"]));
    for name in CRATES {
        row(name, versions(name)?);
    }
    let text = table.into_text();
    Ok(format!("\n## Machine\n{text}\nServers and what drives them share these cores.\n"))
}

fn field(text: &str, name: &str) -> String {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.split_once(':'));
    value.map_or_else(|| "unknown".to_owned(), |(_, value)| value.trim().to_owned())
}

fn said_by(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map_or_else(|_| "unknown".to_owned(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The versions of a crate that cargo has chosen.
fn versions(name: &str) -> Result<String> {
    let lock = fs::read_to_string(results::workspace().join("Cargo.lock"))?;
    let head = format!("name = \"{name}\"");
    let mut lines = lock.lines();
    let mut versions = Vec::new();
    while lines.any(|line| line == head) {
        let version = lines.next().and_then(|line| line.strip_prefix("version = \"")?.strip_suffix('"'));
        versions.push(version.ok_or("Cargo.lock has another form")?);
    }
    Ok(versions.join(", "))
}
