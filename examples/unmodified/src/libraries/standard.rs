//! What std itself has that blocks.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    process::Command,
    sync::Arc,
    thread,
};

use crate::Call;

/// `std::thread::sleep`.
pub fn sleep() -> Call {
    Arc::new(|time| {
        thread::sleep(time);
        Ok(())
    })
}

/// `std::net::TcpStream`: a question, and an answer that takes so long.
pub fn net(peer: SocketAddr) -> Call {
    Arc::new(move |time| {
        let mut stream = TcpStream::connect(peer)?;
        let asked = u32::try_from(time.as_millis())?.to_be_bytes();
        stream.write_all(&asked)?;
        let mut answer = [0; 4];
        stream.read_exact(&mut answer)?;
        if answer == asked { Ok(()) } else { Err(format!("{answer:?} for {asked:?}").into()) }
    })
}

/// `std::process::Command`: a child that takes so long, and what it writes.
pub fn command() -> Call {
    Arc::new(|time| {
        let script = format!("sleep {}; echo done", time.as_secs_f64());
        let output = Command::new("sh").args(["-c", &script]).output()?;
        if output.status.success() && output.stdout == b"done\n" { Ok(()) } else { Err(format!("{output:?}").into()) }
    })
}
