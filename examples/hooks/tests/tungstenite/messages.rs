//! Messages of all kinds, both ways.

use std::{io::ErrorKind, time::Duration};

use hooks::tungstenite::close;
use tungstenite::{
    Error, Message,
    protocol::frame::{
        Frame,
        coding::{Data, OpCode},
    },
};

use crate::{Socket, run, talk};

/// Sends texts and bytes back until the client closes.
fn echo(socket: &mut Socket) -> Result<(), Error> {
    loop {
        match socket.read() {
            Ok(message @ (Message::Text(_) | Message::Binary(_))) => socket.send(message)?,
            Ok(_) => {}
            Err(Error::ConnectionClosed) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

#[test]
fn small_and_large() {
    run(async {
        let (served, ()) = talk(echo, |socket| {
            let long = "a line of it\n".repeat((1 << 20) / 13);
            let bytes: Vec<u8> = (0..1_usize << 20).map(|at| (at % 251) as u8).collect();
            for message in [
                Message::from(""),
                "short".into(),
                long.into(),
                Message::Binary(bytes.into()),
                Message::Binary("".into()),
            ] {
                socket.send(message.clone()).unwrap();
                assert!(socket.read().unwrap() == message, "another message came back");
            }
            close(socket, None).unwrap();
        })
        .await;
        served.unwrap();
    });
}

#[test]
fn many_before_the_first_is_read() {
    run(async {
        let (served, ()) = talk(echo, |socket| {
            for number in 0..1000 {
                socket.write(format!("message {number}").into()).unwrap();
            }
            socket.flush().unwrap();
            for number in 0..1000 {
                assert_eq!(socket.read().unwrap(), format!("message {number}").into());
            }
            close(socket, None).unwrap();
        })
        .await;
        served.unwrap();
    });
}

fn part(text: &'static str, code: Data, is_last: bool) -> Message {
    Message::Frame(Frame::message(text, OpCode::Data(code), is_last))
}

#[test]
fn in_parts() {
    run(async {
        let (served, ()) = talk(echo, |socket| {
            socket.send(part("one ", Data::Text, false)).unwrap();
            socket.send(Message::Ping("between".into())).unwrap();
            socket.send(part("message", Data::Continue, true)).unwrap();
            assert_eq!(socket.read().unwrap(), Message::Pong("between".into()));
            assert_eq!(socket.read().unwrap(), "one message".into());
            close(socket, None).unwrap();
        })
        .await;
        served.unwrap();
    });
}

#[test]
fn pings_are_answered_while_the_other_side_reads() {
    run(async {
        let ((), served) = talk(
            |socket| {
                socket.send(Message::Ping("still there?".into())).unwrap();
                assert_eq!(socket.read().unwrap(), Message::Pong("still there?".into()));
                close(socket, None).unwrap();
            },
            |socket| {
                assert_eq!(socket.read().unwrap(), Message::Ping("still there?".into()));
                assert_eq!(socket.read().unwrap(), Message::Close(None));
                close(socket, None)
            },
        )
        .await;
        served.unwrap();
    });
}

/// What has come before a time-out is not lost.
#[test]
fn a_time_out_in_the_middle_of_a_message() {
    run(async {
        let (served, ()) = talk(
            |socket| {
                let Message::Text(text) = socket.read().unwrap() else { panic!("no text") };
                // A whole text and half of another.
                let (before, after) = text.as_bytes().split_at(7);
                let mut frame = vec![0x81, text.len() as u8];
                frame.extend(before);
                std::io::Write::write_all(socket.get_mut(), &frame).unwrap();
                assert_eq!(socket.read().unwrap(), "go on".into());
                std::io::Write::write_all(socket.get_mut(), after).unwrap();
                close(socket, None)
            },
            |socket| {
                socket.send("in two halves".into()).unwrap();
                socket.get_mut().set_read_timeout(Some(Duration::from_millis(100))).unwrap();
                let Err(Error::Io(error)) = socket.read() else { panic!("no error of the stream") };
                assert_eq!(error.kind(), ErrorKind::TimedOut);
                socket.get_mut().set_read_timeout(None).unwrap();
                socket.send("go on".into()).unwrap();
                assert_eq!(socket.read().unwrap(), "in two halves".into());
                assert_eq!(socket.read().unwrap(), Message::Close(None));
                close(socket, None).unwrap();
            },
        )
        .await;
        served.unwrap();
    });
}
