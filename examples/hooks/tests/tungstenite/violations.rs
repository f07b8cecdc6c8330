//! Frames that break the protocol.

use std::io::Write as _;

use tungstenite::{
    Error,
    error::{CapacityError, ProtocolError},
    protocol::frame::coding::Data,
};

use crate::{Socket, run, talk};

/// What a client says of these bytes.
async fn error_of(frame: &[u8]) -> Error {
    let frame = frame.to_vec();
    let says = move |socket: &mut Socket| socket.get_mut().write_all(&frame).unwrap();
    talk(says, |socket| socket.read().unwrap_err()).await.1
}

#[test]
fn a_client_refuses() {
    run(async {
        let long_ping = [&[0x89, 126, 0, 126][..], &[0; 126]].concat();
        for (frame, expected) in [
            (&long_ping[..], ProtocolError::ControlFrameTooBig),
            (&[0x09, 0], ProtocolError::FragmentedControlFrame),
            (&[0x8b, 0], ProtocolError::InvalidOpcode(0xb)),
            (&[0x83, 0], ProtocolError::InvalidOpcode(0x3)),
            (&[0x80, 0], ProtocolError::UnexpectedContinueFrame),
            (&[0x01, 0, 0x81, 0], ProtocolError::ExpectedFragment(Data::Text)),
            (&[0xc1, 0], ProtocolError::NonZeroReservedBits),
            (&[0x81, 0x80, 1, 2, 3, 4], ProtocolError::MaskedFrameFromServer),
            (&[0x88, 1, 3], ProtocolError::InvalidCloseSequence),
        ] {
            match error_of(frame).await {
                Error::Protocol(error) => assert_eq!(error, expected, "{frame:x?}"),
                error => panic!("{frame:x?}: {error:?}"),
            }
        }
        let error = error_of(&[0x81, 2, 0xc3, 0x28]).await;
        assert!(matches!(error, Error::Utf8(_)), "{error:?}");
        // Of 2^40 bytes, which are not waited for.
        let error = error_of(&[0x82, 127, 0, 0, 1, 0, 0, 0, 0, 0]).await;
        assert!(matches!(error, Error::Capacity(CapacityError::MessageTooLong { .. })), "{error:?}");
    });
}

#[test]
fn a_server_refuses_what_is_not_masked() {
    run(async {
        let says = |socket: &mut Socket| socket.get_mut().write_all(&[0x81, 2, b'h', b'i']).unwrap();
        let (error, ()) = talk(|socket| socket.read().unwrap_err(), says).await;
        assert!(matches!(error, Error::Protocol(ProtocolError::UnmaskedFrameFromClient)), "{error:?}");
    });
}
