//! Ends: in order, and not.

use hooks::tungstenite::close;
use tungstenite::{
    Error, Message,
    error::ProtocolError,
    protocol::{CloseFrame, frame::coding::CloseCode},
};

use crate::{Socket, run, talk};

fn because() -> Option<CloseFrame> {
    Some(CloseFrame { code: CloseCode::Away, reason: "for lunch".into() })
}

fn begin(socket: &mut Socket) -> Result<(), Error> {
    close(socket, because())?;
    assert!(matches!(socket.read(), Err(Error::AlreadyClosed)), "the other side has not said it too");
    Ok(())
}

fn answer(socket: &mut Socket) -> Result<(), Error> {
    assert_eq!(socket.read()?, Message::Close(because()));
    close(socket, None)
}

#[test]
fn begun_by_either_side_or_by_both() {
    run(async {
        let (server, client) = talk(begin, answer).await;
        server.and(client).unwrap();
        let (server, client) = talk(answer, begin).await;
        server.and(client).unwrap();
        let (server, client) = talk(begin, begin).await;
        server.and(client).unwrap();
    });
}

#[test]
fn messages_that_cross_the_end_are_lost() {
    run(async {
        let (server, client) = talk(begin, |socket| {
            (0..100).try_for_each(|_| socket.write("late".into()))?;
            answer(socket)
        })
        .await;
        server.and(client).unwrap();
    });
}

#[test]
fn the_other_side_vanishes() {
    run(async {
        let vanish = |_: &mut Socket| {};
        let read = |socket: &mut Socket| socket.read().unwrap_err();
        let ((), client) = talk(vanish, read).await;
        let (server, ()) = talk(read, vanish).await;
        for error in [client, server] {
            assert!(matches!(error, Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)), "{error:?}");
        }
        // A close is not answered.
        let ((), client) = talk(vanish, |socket| close(socket, None).unwrap_err()).await;
        assert!(matches!(client, Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)), "{client:?}");
    });
}
