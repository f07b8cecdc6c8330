//! Runs the replicas and the client, or one replica: see the README of this example.

use std::{
    env,
    error::Error,
    io::{self, Write as _},
    process::ExitCode,
    time::{Duration, Instant},
};

use replicas::{
    cluster::{AS_CHILD, Replica},
    load::{self, REQUESTS},
    replica::serve,
    retry::Idempotent,
    say,
};
use tokio::{runtime::Builder, sync::watch, time::timeout};
use tonic::transport::Channel;
use tower_fiber::shutdown_signal;

const USAGE: &str =
    "usage: replicas              starts three, kills one, adds one, while a client sends 10,000 requests
       replicas serve PORT   one replica by itself, until Ctrl-C or SIGTERM; 0 lets the system choose the port";
/// After how many answers what happens.
const KILL: u64 = 3_000;
const REPLACE: u64 = 6_000;
/// Requests from this one on wait for the new replica, so that it has something to do however slowly it starts.
const WAIT_FOR_NEW: u64 = 8_000;
const LIMIT: Duration = Duration::from_secs(120);

type Outcome = Result<(), Box<dyn Error>>;

fn main() -> ExitCode {
    let arguments: Vec<String> =
        env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned()).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments[..] {
        [] => on_one_thread(run()),
        ["serve", port] => match port.parse() {
            Ok(port) => on_one_thread(serve(port, false)),
            Err(_) => Err(format!("{port:?} is no port, give a number from 0 to 65535").into()),
        },
        ["--help" | "-h"] => say(USAGE).map_err(Into::into),
        _ if arguments == AS_CHILD => on_one_thread(serve(0, true)),
        _ => Err(format!("there is no command {:?}; --help lists them all", arguments.join(" ")).into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            _ = writeln!(io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

fn on_one_thread(work: impl Future<Output = Outcome>) -> Outcome {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(work);
    // A thread may still read the standard input.
    runtime.shutdown_background();
    result
}

/// Whatever happens, the replicas end.
async fn run() -> Outcome {
    let mut replicas = Vec::new();
    let result = tokio::select! {
        ended = timeout(LIMIT, balance(&mut replicas)) => ended.unwrap_or_else(|_| Err(format!("not done in {LIMIT:?}").into())),
        () = shutdown_signal() => Err("interrupted".into()),
    };
    for replica in replicas {
        replica.end().await?;
    }
    result
}

async fn balance(replicas: &mut Vec<Replica>) -> Outcome {
    // All of the balancing: a channel over endpoints that come and go.
    let (channel, changes) = Channel::balance_channel(16);
    for number in 1..=3 {
        replicas.push(Replica::start(number, &changes).await?);
    }
    for replica in replicas.iter_mut() {
        replica.healthy().await?;
    }

    let began = Instant::now();
    let retry = Idempotent::new()?;
    let (raise, gate) = watch::channel(WAIT_FOR_NEW);
    let mut outcomes = load::send(channel, &retry, &gate);
    let mut served = vec![[0; 3]; replicas.len()];
    let (mut part, mut done, mut unanswered) = (0, 0, 0);
    while let Some(outcome) = outcomes.recv().await {
        done += 1;
        match outcome.map(|port| replicas.iter().position(|replica| replica.address.port() == port)) {
            Ok(Some(index)) => served[index][part] += 1,
            Ok(None) => return Err("an answer from a replica that is none of ours".into()),
            Err(status) => {
                _ = writeln!(io::stderr(), "unanswered: {}: {}", status.code(), status.message());
                unanswered += 1;
            }
        }
        if done == KILL {
            say(&format!("{done} requests are done: replica 2 is killed"))?;
            replicas[1].kill().await?;
            part = 1;
        }
        if done == REPLACE {
            say(&format!("{done} requests are done: one more replica is started"))?;
            let mut replica = Replica::start(4, &changes).await?;
            replica.healthy().await?;
            replicas.push(replica);
            served.push([0; 3]);
            part = 2;
            raise.send_replace(REQUESTS);
        }
    }
    say(&format!("{:<28}{:>8}{:>8}{:>8}{:>8}", "served", "at first", "killed", "added", "in all"))?;
    for (replica, parts) in replicas.iter().zip(&served) {
        let name = format!("replica {} on {}", replica.number, replica.address);
        let total: u64 = parts.iter().sum();
        say(&format!("{name:<28}{:>8}{:>8}{:>8}{total:>8}", parts[0], parts[1], parts[2]))?;
    }
    let answered: u64 = served.iter().flatten().sum();
    say(&format!("{answered} of {REQUESTS} answered in {:.1?}, {} retries", began.elapsed(), retry.retries()))?;
    if unanswered > 0 || answered != REQUESTS {
        return Err(format!("{} requests were not answered", REQUESTS - answered).into());
    }
    Ok(())
}
