//! Connections reach several cores.

use std::{convert::Infallible, sync::mpsc};

use tower_fiber::per_core::PerCore;

use crate::harness::{ANY_PORT, connect, in_time, shutdown};

/// Whichever way the system does it. A hash spreads 100 connections: that one of two cores gets none has a chance of 1
/// in 2^99.
#[test]
fn all_cores_get_some() {
    in_time(|| {
        let server = PerCore::builder().cores(2).bind(ANY_PORT).unwrap();
        let address = server.local_addr();
        let (stop, stopped) = shutdown();
        let (got, cores) = mpsc::channel();
        let client = std::thread::spawn(move || {
            let connections: Vec<_> = (0..100).map(|_| connect(address).unwrap()).collect();
            let cores: Vec<usize> = connections.iter().map(|_| cores.recv().unwrap()).collect();
            drop(stop);
            cores
        });
        let accepted = server.run(stopped, |core, mut listener| {
            let got = got.clone();
            async move {
                let mut accepted = 0;
                let mut shutdown = core.shutdown();
                loop {
                    tokio::select! {
                        connection = listener.accept() => {
                            connection.unwrap();
                            accepted += 1;
                            got.send(core.index()).unwrap();
                        }
                        () = &mut shutdown => return Ok::<_, Infallible>(accepted),
                    }
                }
            }
        });
        let accepted = accepted.unwrap();
        let told = client.join().unwrap();
        assert_eq!(accepted.iter().sum::<usize>(), 100);
        for (core, &accepted) in accepted.iter().enumerate() {
            assert!(accepted > 0, "core {core} got no connection");
            assert_eq!(told.iter().filter(|&&told| told == core).count(), accepted);
        }
    });
}
