//! The program: what it prints, and how it ends.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    process::{Command, Stdio},
};

use unmodified::options::{Options, USAGE};

const PROGRAM: &str = env!("CARGO_BIN_EXE_unmodified");

#[test]
fn help() {
    for arguments in [&["--help"][..], &["-h"], &["--port", "many", "--help"]] {
        let output = Command::new(PROGRAM).args(arguments).output().unwrap();
        assert!(output.status.success());
        assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{USAGE}\n"));
    }
}

#[test]
fn what_it_does_not_know() {
    let refused = |arguments: &[&str]| {
        Options::read(arguments.iter().map(|&argument| argument.to_owned())).unwrap_err().to_string()
    };
    assert!(refused(&["--mongodb"]).starts_with("there is no option \"--mongodb\";"));
    assert!(refused(&["--redis"]).starts_with("--redis needs an argument;"));
    assert!(refused(&["--port", "many"]).starts_with("\"many\" is no port"));
}

/// A request that is under way when the program is told to end is answered.
#[test]
fn it_shows_a_table_serves_and_ends() {
    let mut program = Command::new(PROGRAM).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(program.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut said_before = Vec::new();
    let address = loop {
        let line = said.next().unwrap_or_else(|| panic!("it has ended: {said_before:#?}"));
        match line.trim().strip_prefix("curl http://").and_then(|url| url.strip_suffix("/fiber/sleep")) {
            Some(address) => break address.to_owned(),
            None => said_before.push(line),
        }
    };
    let rows = said_before.iter().filter(|line| line.starts_with("| ")).count();
    // The head, and those that need no server.
    assert!(rows >= 6, "{said_before:#?}");
    assert!(said.any(|line| line == "Ctrl-C ends it."));

    let mut stream = TcpStream::connect(&address).unwrap();
    stream.write_all(b"GET /fiber/command HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    // It has begun when the next request is answered.
    let mut calls = TcpStream::connect(&address).unwrap();
    calls.write_all(b"GET /calls HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    calls.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("nanosleep suspended"), "{answer}");

    let killed = Command::new("kill").args(["-TERM", &program.id().to_string()]).status().unwrap();
    assert!(killed.success());
    answer.clear();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("waited\n"), "{answer}");
    assert!(program.wait().unwrap().success());
}
