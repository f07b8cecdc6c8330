//! The program says what has failed, and why.

use std::{
    net::{Ipv4Addr, TcpListener},
    process::{Command, Stdio},
};

/// What the program says before it fails.
fn says(arguments: &[&str], port: u16) -> Vec<String> {
    let mut program = Command::new(env!("CARGO_BIN_EXE_tonic-example"));
    let output = program.args(arguments).env("PORT", port.to_string()).stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn of_a_call_without_a_server() {
    // A port that was free a moment ago.
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    for arguments in [["call", "Ada"], ["greet-all", "Ada"], ["watch", "Ada"]] {
        let said = says(&arguments, port);
        assert!(said[0].ends_with(": start one first"), "{said:?}");
        assert!(said.len() > 1 && said[1..].iter().all(|line| line.starts_with("  because: ")), "{said:?}");
        assert!(said.last().unwrap().contains("Connection refused"), "{said:?}");
    }
}

#[test]
fn of_a_port_in_use() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    for arguments in [&[][..], &["functions"], &["per-core"]] {
        let said = says(arguments, port);
        assert!(said.concat().contains(&port.to_string()), "{said:?}");
        assert!(said.last().unwrap().contains("Address already in use"), "{said:?}");
    }
}
