//! Debian's servers for tests, each started once per process by the script `start` and ended with it.
//!
//! ```no_run
//! let Some(redis) = servers::redis() else { return };
//! println!("redis-server listens on 127.0.0.1:{}", redis.port);
//! ```
//!
//! Where a server is not installed, a test says so and is skipped; with `CI` in the environment it fails.

use std::{
    env,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
};

/// The script's answer if the server is not installed.
const MISSING: i32 = 77;

/// A server on loopback.
#[derive(Debug)]
pub struct Server {
    /// Its port on 127.0.0.1.
    pub port: u16,
    /// Its own directory, which is removed with it.
    pub directory: PathBuf,
    /// Ends the server when its standard input is closed, at the latest with this process.
    _script: Child,
}

/// A PostgreSQL of 120 connections, with the superuser `postgres`, who needs no password.
///
/// # Panics
///
/// If it does not start, or is missing in CI.
pub fn postgresql() -> Option<&'static Server> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    SERVER.get_or_init(|| start("postgresql")).as_ref()
}

/// A MariaDB of 120 connections, with the database `mysql`, in which anybody is let in as `root` without a password.
///
/// # Panics
///
/// If it does not start, or is missing in CI.
pub fn mariadb() -> Option<&'static Server> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    SERVER.get_or_init(|| start("mariadb")).as_ref()
}

/// A Redis.
///
/// # Panics
///
/// If it does not start, or is missing in CI.
pub fn redis() -> Option<&'static Server> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    SERVER.get_or_init(|| start("redis")).as_ref()
}

/// An nginx that speaks HTTPS, as `localhost` and `127.0.0.1`. `ca.pem` in its directory is whom to trust.
///
/// # Panics
///
/// If it does not start, or is missing in CI.
pub fn nginx() -> Option<&'static Server> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    SERVER.get_or_init(|| start("nginx")).as_ref()
}

fn start(name: &str) -> Option<Server> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("start");
    let mut script = Command::new(script)
        .arg(name)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("bash starts the script");
    let mut line = String::new();
    BufReader::new(script.stdout.take().expect("it is piped")).read_line(&mut line).expect("the script writes text");
    let Some((port, directory)) = line.trim_end().split_once(' ') else {
        let status = script.wait().expect("the script ends");
        // Its own words are on standard error already.
        assert!(status.code() == Some(MISSING) && env::var_os("CI").is_none(), "{name} does not run: {status}");
        eprintln!("SKIPPED: this test needs {name}");
        return None;
    };
    Some(Server { port: port.parse().expect("a port"), directory: directory.into(), _script: script })
}
