//! A server in a process of its own.

use std::{
    env, fs,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
};

use crate::Result;

/// For the server: tells the process that started it where it listens.
pub(crate) fn announce(address: SocketAddr) {
    println!("{address}");
}

/// A running server; ended when this is dropped.
pub(crate) struct Server {
    process: Child,
    pub(crate) address: SocketAddr,
}

impl Server {
    pub(crate) fn start(kind: &str) -> Result<Self> {
        let mut process = Command::new(env::current_exe()?).args(["--serve", kind]).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(process.stdout.take().ok_or("no output")?).read_line(&mut line)?;
        let address = line.trim().parse().map_err(|_| format!("the server `{kind}` did not start: {line:?}"))?;
        Ok(Self { process, address })
    }

    /// The most memory that it had at one time, in KiB.
    pub(crate) fn peak_memory(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix("kB"));
        Ok(peak.ok_or("the kernel does not say")?.trim().parse()?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}
