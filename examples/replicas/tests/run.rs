//! The whole run, in processes as a user has them.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    net::{SocketAddr, TcpStream},
    process::{Child, ChildStdout, Command, Output, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

const LONG: Duration = Duration::from_secs(180);

fn replicas(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_replicas"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Waits for the end of a process, and kills it if that does not come.
fn output(command: &mut Command) -> Output {
    let child = command.spawn().unwrap();
    let pid = child.id();
    let (done, ends) = mpsc::channel();
    let watchdog = thread::spawn(move || {
        if ends.recv_timeout(LONG) == Err(RecvTimeoutError::Timeout) {
            signal("-KILL", pid);
        }
    });
    let output = child.wait_with_output().unwrap();
    done.send(()).unwrap();
    watchdog.join().unwrap();
    output
}

fn signal(signal: &str, pid: u32) {
    assert!(Command::new("kill").args([signal, &pid.to_string()]).status().unwrap().success());
}

/// The addresses that the first `count` replicas listen on.
fn addresses(lines: impl Iterator<Item = String>, count: usize) -> Vec<SocketAddr> {
    let addresses = lines.filter_map(|line| line.split_once(" listens on ")?.1.parse().ok());
    addresses.take(count).collect()
}

/// Waits until nobody listens there any more.
fn assert_ends(address: SocketAddr) {
    let begun = Instant::now();
    while TcpStream::connect(address).is_ok() {
        assert!(begun.elapsed() < LONG, "a replica is left on {address}");
        thread::yield_now();
    }
}

#[test]
fn every_request_is_answered() {
    let output = output(&mut replicas(&[]));
    let text = String::from_utf8(output.stdout).unwrap();
    println!("{text}");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    // Columns: before the kill, until the addition, after it, in all.
    let served: Vec<[u64; 4]> = text
        .lines()
        .filter_map(|line| line.strip_prefix("replica ")?.split_once(" on "))
        .filter_map(|(_, rest)| {
            let numbers: Vec<u64> = rest.split_whitespace().skip(1).map_while(|word| word.parse().ok()).collect();
            numbers.try_into().ok()
        })
        .collect();
    let [first, killed, third, added] = served[..] else { panic!("not four replicas: {served:?}") };
    assert_eq!(served.iter().map(|parts| parts[3]).sum::<u64>(), 10_000);
    for parts in &served {
        assert_eq!(parts[..3].iter().sum::<u64>(), parts[3]);
    }
    assert!(killed[0] > 0 && killed[2] == 0, "the killed one: {killed:?}");
    assert!(added[0] == 0 && added[2] > 0, "the added one: {added:?}");
    assert!(first[..3].iter().chain(&third[..3]).all(|part| *part > 0), "those that stay: {first:?}, {third:?}");

    assert!(text.contains("replica 2 is not healthy: removed"));
    let summary = text.lines().last().unwrap();
    assert!(summary.starts_with("10000 of 10000 answered in "), "{summary}");
    let retries: u64 = summary.rsplit(' ').nth(1).unwrap().parse().unwrap();
    assert!(retries > 0, "the killed one had requests");

    let all = addresses(text.lines().map(str::to_owned), 4);
    assert_eq!(all.len(), 4);
    all.into_iter().for_each(assert_ends);
}

/// Starts a run, and gives it up when its three replicas are up.
fn give_up(how: &str) -> (Child, BufReader<ChildStdout>) {
    let mut run = replicas(&[]).spawn().unwrap();
    let mut output = BufReader::new(run.stdout.take().unwrap());
    let all = addresses(output.by_ref().lines().map(Result::unwrap), 3);
    assert_eq!(all.len(), 3);
    signal(how, run.id());
    all.into_iter().for_each(assert_ends);
    (run, output)
}

#[test]
fn an_interrupted_run_leaves_no_replica() {
    let (mut run, _output) = give_up("-INT");
    assert_eq!(run.wait().unwrap().code(), Some(1));
    let mut text = String::new();
    run.stderr.take().unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "interrupted\n");
}

#[test]
fn a_killed_run_leaves_no_replica() {
    let (mut run, _output) = give_up("-KILL");
    assert_eq!(run.wait().unwrap().code(), None);
}

#[test]
fn help() {
    for argument in ["--help", "-h"] {
        let output = output(&mut replicas(&[argument]));
        assert!(output.status.success() && output.stdout.starts_with(b"usage: replicas "), "{output:?}");
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let text = |arguments: &[&str]| {
        let output = output(&mut replicas(arguments));
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).unwrap()
    };
    assert_eq!(text(&["start"]), "there is no command \"start\"; --help lists them all\n");
    assert_eq!(text(&["serve", "many"]), "\"many\" is no port, give a number from 0 to 65535\n");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let text = text(&["serve", &address.port().to_string()]);
    assert!(text.starts_with(&format!("cannot listen on {address}: ")), "{text}");
}
