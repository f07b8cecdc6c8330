//! lettre's SMTP transport.

use std::{net::SocketAddr, sync::Arc};

use lettre::{Address, Message, SmtpTransport, Transport as _, message::Mailbox};

use crate::Call;

/// Sends a mail on a connection of its own, to a server that takes so long to accept it.
pub fn lettre(peer: SocketAddr) -> Call {
    let transport = SmtpTransport::builder_dangerous(peer.ip().to_string()).port(peer.port()).build();
    Arc::new(move |time| {
        // The peer takes as many milliseconds as the mailbox says.
        let reader = Mailbox::new(None, Address::new(time.as_millis().to_string(), "example.org")?);
        let writer = Mailbox::new(None, Address::new("service", "example.org")?);
        let mail =
            Message::builder().from(writer).to(reader).subject("Wait").body(String::from("Until it is there."))?;
        let response = transport.send(&mail)?;
        if response.is_positive() { Ok(()) } else { Err(format!("{response:?}").into()) }
    })
}
