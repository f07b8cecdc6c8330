//! Ends of a connection, and what comes before them.

use std::io::{self, ErrorKind, Read as _, Write as _};

use crate::{Client, Served, VERSIONS, run, talk};

#[test]
fn large_both_ways() {
    let Some(nginx) = servers::nginx() else { return };
    run(async {
        for version in VERSIONS {
            let large: Vec<u8> = (0..8_usize << 20).map(|at| (at % 251) as u8).collect();
            let sent = large.clone();
            let echo = |stream: &mut Served| {
                let mut all = Vec::new();
                stream.read_to_end(&mut all)?;
                stream.write_all(&all)?;
                hooks::rustls::close(stream)
            };
            let ask = move |stream: &mut Client| {
                stream.write_all(&sent)?;
                hooks::rustls::close(stream)?;
                let mut all = Vec::new();
                stream.read_to_end(&mut all)?;
                Ok(all)
            };
            let (served, got) = talk(nginx, version, echo, ask).await;
            served.unwrap();
            assert!(got.unwrap() == large, "other bytes came back");
        }
    });
}

/// Reads until the end, and gives that and the bytes before it.
fn read_all(stream: &mut Client) -> io::Result<(Option<ErrorKind>, String)> {
    let mut all = String::new();
    let mut bytes = Vec::new();
    let end = stream.read_to_end(&mut bytes).err().map(|error| error.kind());
    all.push_str(std::str::from_utf8(&bytes).expect("ASCII"));
    Ok((end, all))
}

#[test]
fn in_order_and_cut_off() {
    let Some(nginx) = servers::nginx() else { return };
    run(async {
        for version in VERSIONS {
            let in_order = |stream: &mut Served| {
                stream.write_all(b"whole")?;
                hooks::rustls::close(stream)
            };
            let cut_off = |stream: &mut Served| stream.write_all(b"ha").and_then(|()| stream.flush());
            let (served, end) = talk(nginx, version, in_order, read_all).await;
            served.unwrap();
            assert_eq!(end.unwrap(), (None, "whole".to_owned()));
            let (served, end) = talk(nginx, version, cut_off, read_all).await;
            served.unwrap();
            assert_eq!(end.unwrap(), (Some(ErrorKind::UnexpectedEof), "ha".to_owned()));
        }
    });
}

/// One side has ended, the other goes on.
#[test]
fn half_closed() {
    let Some(nginx) = servers::nginx() else { return };
    run(async {
        for version in VERSIONS {
            let answer = |stream: &mut Served| {
                let mut question = String::new();
                stream.read_to_string(&mut question)?;
                write!(stream, "{question}!")?;
                hooks::rustls::close(stream)
            };
            let ask = |stream: &mut Client| {
                stream.write_all(b"hello")?;
                hooks::rustls::close(stream)?;
                read_all(stream)
            };
            let (served, end) = talk(nginx, version, answer, ask).await;
            served.unwrap();
            assert_eq!(end.unwrap(), (None, "hello!".to_owned()));
        }
    });
}
