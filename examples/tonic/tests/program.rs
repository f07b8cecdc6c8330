//! The program: a call in flight is answered when it is told to end, on one thread and on every core.

use std::{
    io::{BufRead as _, BufReader},
    net::TcpListener,
    process::{Command, Stdio},
};

use tokio::runtime::Builder;
use tonic_example::proto::{HelloRequest, greeter_client::GreeterClient};

const PROGRAM: &str = env!("CARGO_BIN_EXE_tonic-example");

/// A call takes 200 ms. `watch` tells that the server has begun with calls, and never ends by itself.
fn answers_and_ends(arguments: &[&str], signal: &str) {
    let mut program = Command::new(PROGRAM).args(arguments).env("PORT", "0").stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
    let line = lines.next().unwrap().unwrap();
    let address = line.strip_prefix("greeter listens on ").and_then(|rest| rest.split(',').next()).unwrap();
    Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        let mut client = GreeterClient::connect(format!("http://{address}")).await.unwrap();
        let request = || HelloRequest { name: "Ada".to_owned() };
        // The first answer shows that the connection is served.
        client.say_hello(request()).await.unwrap();
        let call = tokio::spawn(async move { client.say_hello(request()).await });
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        let killed = Command::new("kill").args([signal, &program.id().to_string()]).status().unwrap();
        assert!(killed.success());
        assert_eq!(call.await.unwrap().unwrap().into_inner().message, "Good day, Countess Ada");
    });
    assert!(program.wait().unwrap().success());
}

#[test]
fn a_call_in_flight_is_answered() {
    answers_and_ends(&[], "-TERM");
    answers_and_ends(&["functions"], "-INT");
    answers_and_ends(&["per-core"], "-TERM");
}

#[test]
fn what_is_wrong_is_said() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for (arguments, port, code, text) in [
        (&[][..], &*port, 1, "cannot listen on 127.0.0.1"),
        (&["per-core"], &port, 1, "cannot listen on 127.0.0.1"),
        (&["--help"], "many", 0, "usage: "),
        (&["-h"], "many", 0, "usage: "),
        (&["call", "Ada"], "many", 1, "PORT is \"many\""),
        (&["--colour"], &port, 1, "there is no command \"--colour\"; --help"),
    ] {
        let output = Command::new(PROGRAM).args(arguments).env("PORT", port).output().unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.starts_with(text), "{said}");
    }
}
