//! wrk and h2load, and what they print.

use std::{net::SocketAddr, process::Command};

use serde_json::{Value, json};

use crate::Result;

/// HTTP/1.1 from one thread of wrk.
pub(crate) fn wrk(server: SocketAddr, path: &str, connections: u64, seconds: u64) -> Result<Value> {
    let (connections, seconds) = (format!("-c{connections}"), format!("-d{seconds}s"));
    let url = format!("http://{server}{path}");
    let text = run("wrk", &["--latency", "-t1", &connections, &seconds, "--timeout", "10s", &url])?;
    if let Some(line) = text.lines().find(|line| line.contains("Non-2xx")) {
        return Err(format!("{url}: {line}").into());
    }
    let after = |label: &str| text.lines().find_map(|line| Some(line.trim().strip_prefix(label)?.trim()));
    let rate: f64 = after("Requests/sec:").ok_or("wrk told no rate")?.parse()?;
    let errors: u64 =
        after("Socket errors:").unwrap_or("").split([' ', ',']).filter_map(|w| w.parse::<u64>().ok()).sum();
    if rate == 0.0 {
        // Nothing was answered, so there is no latency, although wrk prints one.
        return Ok(json!({ "rate": rate, "errors": errors }));
    }
    let latency = |label| after(label).and_then(micros).ok_or_else(|| format!("no {label} in {text}"));
    Ok(json!({ "rate": rate, "p50": latency("50%")?, "p99": latency("99%")?, "errors": errors }))
}

/// HTTP/2 from one thread of h2load, 10 streams a connection. It tells no percentiles.
pub(crate) fn h2load(server: SocketAddr, path: &str, connections: u64, seconds: u64) -> Result<Value> {
    let (connections, seconds) = (format!("-c{connections}"), format!("-D{seconds}"));
    let url = format!("http://{server}{path}");
    let text = run("h2load", &["-t1", "-m10", &connections, &seconds, &url])?;
    let line =
        |start| text.lines().find(|line: &&str| line.starts_with(start)).ok_or_else(|| format!("no {start} in {text}"));
    let rate = line("finished in")?.split(", ").find_map(|part| part.strip_suffix(" req/s"));
    let rate: f64 = rate.ok_or("h2load told no rate")?.parse()?;
    if !line("status codes:")?.contains(" 0 4xx, 0 5xx") {
        return Err(format!("{url}: {}", line("status codes:")?).into());
    }
    Ok(json!({ "rate": rate }))
}

fn run(tool: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(tool)
        .args(arguments)
        .output()
        .map_err(|error| format!("{tool}: {error}; Debian has it: `apt-get install wrk nghttp2-client`"))?;
    if !output.status.success() {
        return Err(format!("{tool} failed: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// A time as wrk prints it.
fn micros(text: &str) -> Option<f64> {
    let (number, unit) = text.split_at(text.find(|c: char| c.is_alphabetic())?);
    let factor = match unit {
        "us" => 1.0,
        "ms" => 1e3,
        "s" => 1e6,
        "m" => 60e6,
        _ => return None,
    };
    Some(number.parse::<f64>().ok()? * factor)
}
