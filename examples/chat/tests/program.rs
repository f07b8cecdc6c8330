//! The program: how it starts, ends, and says what is wrong.

mod harness;

use std::{
    net::{Ipv4Addr, TcpListener},
    process::Stdio,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::Command,
};

use harness::{Client, on_one_thread};

fn chat(port: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chat"));
    command.env("PORT", port).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

#[test]
fn serves_until_it_is_interrupted() {
    ends_by("-INT");
}

#[test]
fn serves_until_it_is_terminated() {
    ends_by("-TERM");
}

fn ends_by(signal: &str) {
    on_one_thread(async {
        let mut program = chat("0").spawn().unwrap();
        let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
        let address = loop {
            let line = lines.next_line().await.unwrap().expect("an address");
            if let Some(address) = line.trim().strip_prefix("http://") {
                break address.trim_end_matches('/').parse().unwrap();
            }
        };
        let mut ada = Client::connect(address, "Ada").await;
        assert_eq!(ada.hear().await["event"], "welcome");
        let _deaf = Client::connect(address, "Alan").await;
        let interrupt = [signal, &program.id().unwrap().to_string()].map(str::to_owned);
        assert!(Command::new("kill").args(interrupt).status().await.unwrap().success());
        let told = Instant::now();
        assert_eq!(ada.closed().await, (1001, "the server stops".to_owned()));
        assert!(program.wait().await.unwrap().success());
        // A member who does not answer holds it up for less than a second; the rest is for a busy machine.
        assert!(told.elapsed() < Duration::from_secs(5), "{:?}", told.elapsed());
    });
}

#[test]
fn says_how_it_is_used() {
    on_one_thread(async {
        let refused = "there is no argument \"--colour\"";
        for (argument, code, text) in [("--help", 0, "usage: "), ("-h", 0, "usage: "), ("--colour", 1, refused)] {
            // It says so whatever is wrong with its port.
            let output = chat("many").arg(argument).output().await.unwrap();
            let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
            assert_eq!(output.status.code(), Some(code), "{said}");
            assert!(said.contains(text) && said.lines().count() == 1, "{said}");
        }
    });
}

#[test]
fn says_what_is_wrong_with_its_port() {
    on_one_thread(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let taken = listener.local_addr().unwrap().port().to_string();
        for (port, texts) in
            [("many", ["many", "65535"]), ("65536", ["65536", "65535"]), (&taken, [&taken, "set PORT"])]
        {
            let output = chat(port).output().await.unwrap();
            let error = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(1), "{error}");
            assert!(texts.iter().all(|text| error.contains(text)), "{error}");
        }
    });
}
