//! What cannot be listened on is an error before a core starts.

use std::{convert::Infallible, error::Error as _, future::ready, io, net::TcpListener};

use socket2::{Domain, Socket, Type};
use tower_fiber::per_core::{PerCore, PerCoreError};

use crate::harness::{ANY_PORT, each_way, in_time};

fn kind(error: &PerCoreError) -> io::ErrorKind {
    assert_eq!(error.core(), None);
    error.source().unwrap().downcast_ref::<io::Error>().unwrap().kind()
}

#[test]
fn in_use_by_an_ordinary_listener() {
    each_way(|builder| {
        let other = TcpListener::bind(ANY_PORT).unwrap();
        let address = other.local_addr().unwrap();
        let error = builder.cores(2).bind(address).unwrap_err();
        assert_eq!(kind(&error), io::ErrorKind::AddrInUse);
        assert!(error.to_string() == format!("cannot listen on {address}") && error.source().is_some(), "{error}");
    });
}

/// Two processes of one user could share the port unnoticed.
#[test]
fn in_use_by_another_server_of_this_kind() {
    each_way(|builder| {
        let first = builder.clone().cores(2).bind(ANY_PORT).unwrap();
        let address = first.local_addr();
        assert_ne!(address.port(), 0);
        for cores in [1, 2] {
            let error = builder.clone().cores(cores).bind(address).unwrap_err();
            assert_eq!(kind(&error), io::ErrorKind::AddrInUse);
        }
        drop(first);
        let again = builder.cores(2).bind(address).unwrap();
        assert_eq!(again.local_addr(), address);
    });
}

#[cfg(target_os = "linux")]
#[test]
fn in_use_by_a_socket_that_shares() {
    in_time(|| {
        let other = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        other.set_reuse_port(true).unwrap();
        other.bind(&ANY_PORT.parse::<std::net::SocketAddr>().unwrap().into()).unwrap();
        other.listen(1).unwrap();
        let address = other.local_addr().unwrap().as_socket().unwrap();
        let error = PerCore::builder().cores(2).bind(address).unwrap_err();
        assert_eq!(kind(&error), io::ErrorKind::AddrInUse);
    });
}

#[test]
fn the_first_possible_one_of_several_is_taken() {
    each_way(|builder| {
        let other = TcpListener::bind(ANY_PORT).unwrap();
        let used = other.local_addr().unwrap();
        let server = builder.cores(2).bind(&[used, ANY_PORT.parse().unwrap()][..]).unwrap();
        assert_ne!(server.local_addr(), used);
        let ports = server.run(std::future::pending(), |_, listener| {
            ready(Ok::<_, Infallible>(listener.local_addr().unwrap().port()))
        });
        assert_eq!(ports.unwrap().len(), 2);
    });
}

#[test]
fn an_ipv6_address() {
    each_way(|builder| match builder.cores(2).bind("[::1]:0") {
        Ok(server) => assert!(server.local_addr().is_ipv6()),
        Err(error) => println!("this machine has no IPv6: {error}"),
    });
}

#[test]
fn bad_addresses_and_settings() {
    in_time(|| {
        let error = PerCore::bind("nonsense").unwrap_err();
        assert_eq!(kind(&error), io::ErrorKind::InvalidInput);
        assert!(
            error.to_string() == "the address to listen on cannot be resolved" && error.source().is_some(),
            "{error}"
        );

        let error = PerCore::bind(&[][..]).unwrap_err();
        assert_eq!(error.to_string(), "there is no address to listen on [TF25]");
        // An address of documentation, which no machine has.
        let error = PerCore::bind("192.0.2.1:0").unwrap_err();
        assert_eq!(kind(&error), io::ErrorKind::AddrNotAvailable);

        let error = PerCore::builder().cores(0).bind(ANY_PORT).unwrap_err();
        assert_eq!(error.to_string(), "a server needs at least one core: `cores(0)` was set [TF25]");
        let error = PerCore::builder().thread_name("a\0b").bind(ANY_PORT).unwrap_err();
        assert_eq!(error.to_string(), "a thread name cannot contain a NUL byte [TF25]");
    });
}
