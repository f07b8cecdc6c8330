//! Makes the calls that the fuzzer's bytes say on a thread and in a fiber, and compares what they return.

#![no_main]

use std::{process::abort, sync::OnceLock};

use libfuzzer_sys::fuzz_target;
use nix::{
    poll::PollFlags,
    sys::{
        signal::{SigSet, Signal},
        socket::{MsgFlags, Shutdown},
    },
};
use tower_fiber::FiberLayer;

use crate::script::{Call, Kind, Meanwhile, Step};

#[path = "../../tests/interpose/differential/script.rs"]
mod script;
#[path = "../../tests/support/system.rs"]
mod system;

/// How many calls one script has at most: each may take a time-out.
const STEPS: usize = 7;

fuzz_target!(|bytes: &[u8]| {
    static LAYER: OnceLock<FiberLayer> = OnceLock::new();
    let layer = LAYER.get_or_init(|| {
        // As Rust's own start does: writing to an end that is shut down is an error.
        SigSet::from(Signal::SIGPIPE).thread_block().unwrap();
        FiberLayer::builder().interpose().build().unwrap()
    });
    let mut bytes = Bytes(bytes);
    let kind = bytes.one_of([Kind::Stream, Kind::Datagram, Kind::Packets, Kind::Pipe]);
    let mut steps = Vec::new();
    while !bytes.0.is_empty() && steps.len() < STEPS {
        steps.push(bytes.step());
    }
    if let Err(difference) = script::compare(layer, kind, &steps) {
        eprintln!("{kind:?} {steps:?}: {difference}");
        abort();
    }
});

/// What the fuzzer has given, and zeros after it. Not read by proptest's strategies, which share such bytes out until
/// none are left, and then look for another number for ever.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn next(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().map_or((0, self.0), |(first, rest)| (*first, rest));
        self.0 = rest;
        first
    }

    fn one_of<T, const N: usize>(&mut self, all: [T; N]) -> T {
        let index = usize::from(self.next()) % N;
        all.into_iter().nth(index).expect("it is one of them")
    }

    fn size(&mut self) -> usize {
        let fine = usize::from(self.next());
        self.one_of([0, fine, 4096, 60_000 + fine * 1000])
    }

    fn call(&mut self) -> Call {
        match self.next() % 11 {
            0 => Call::Read(self.size()),
            1 => Call::ReadV(self.size(), self.size()),
            2 => {
                let none = MsgFlags::empty();
                let flags = [none, MsgFlags::MSG_DONTWAIT, MsgFlags::MSG_PEEK, MsgFlags::MSG_WAITALL];
                Call::Recv(self.size(), self.one_of(flags))
            }
            3 => Call::RecvMsg(self.size()),
            4 => Call::Write(self.size()),
            5 => Call::WriteV(self.size(), self.size()),
            6 => {
                let flags = [MsgFlags::empty(), MsgFlags::MSG_DONTWAIT, MsgFlags::MSG_NOSIGNAL];
                Call::Send(self.size(), self.one_of(flags))
            }
            7 => Call::SendMsg(self.size()),
            8 => {
                let (read, write) = (PollFlags::POLLIN, PollFlags::POLLOUT);
                Call::Poll(self.one_of([read, write, read | write, PollFlags::empty()]), self.one_of([0, 5]))
            }
            9 => Call::Shutdown(self.one_of([Shutdown::Read, Shutdown::Write])),
            _ => Call::NonBlocking(self.next() % 2 == 1),
        }
    }

    fn step(&mut self) -> Step {
        let end = usize::from(self.next() % 2);
        let call = self.call();
        let meanwhile = match self.next() % 4 {
            0 => Meanwhile::Nothing,
            1 => Meanwhile::Writes(self.size()),
            2 => Meanwhile::Drains,
            _ => Meanwhile::Ends,
        };
        Step { end, call, meanwhile }
    }
}
