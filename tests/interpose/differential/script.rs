//! Sequences of calls on pairs of descriptors, for the property test and the fuzzer.

use std::{
    io::{IoSlice, IoSliceMut},
    os::fd::{AsFd as _, AsRawFd as _, OwnedFd},
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use nix::{
    errno::Errno,
    fcntl::{FcntlArg, OFlag, fcntl},
    poll::{PollFd, PollFlags, poll},
    sys::{
        socket::{
            AddressFamily, MsgFlags, Shutdown, SockFlag, SockType, recv, recvmsg, send, sendmsg, setsockopt, shutdown,
            socketpair, sockopt,
        },
        time::{TimeVal, TimeValLike as _},
        uio::{readv, writev},
    },
    unistd::{gettid, pipe, read, write},
};
use tokio::runtime::Builder;
use tower_fiber::FiberLayer;

use crate::system::is_asleep;

/// How many milliseconds a call waits if nothing comes, in a run with a patience of 1.
const LIMIT: u16 = 15;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Stream,
    Datagram,
    Packets,
    Pipe,
}

#[derive(Clone, Debug)]
pub(crate) enum Call {
    Read(usize),
    ReadV(usize, usize),
    Recv(usize, MsgFlags),
    RecvMsg(usize),
    Write(usize),
    WriteV(usize, usize),
    Send(usize, MsgFlags),
    SendMsg(usize),
    Poll(PollFlags, u8),
    Shutdown(Shutdown),
    NonBlocking(bool),
}

/// What happens at the other end while the call may wait.
#[derive(Clone, Debug)]
pub(crate) enum Meanwhile {
    Nothing,
    Writes(usize),
    Drains,
    Ends,
}

#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) end: usize,
    pub(crate) call: Call,
    pub(crate) meanwhile: Meanwhile,
}

fn ends(kind: Kind, patience: u16) -> [OwnedFd; 2] {
    let limit = TimeVal::milliseconds((LIMIT * patience).into());
    let pair = |kind| socketpair(AddressFamily::Unix, kind, None, SockFlag::SOCK_CLOEXEC).unwrap();
    let (a, b) = match kind {
        Kind::Stream => pair(SockType::Stream),
        Kind::Datagram => pair(SockType::Datagram),
        Kind::Packets => pair(SockType::SeqPacket),
        Kind::Pipe => pipe().unwrap(),
    };
    if !matches!(kind, Kind::Pipe) {
        for end in [&a, &b] {
            setsockopt(end, sockopt::ReceiveTimeout, &limit).unwrap();
            setsockopt(end, sockopt::SendTimeout, &limit).unwrap();
        }
    }
    [a, b]
}

fn data(len: usize) -> Vec<u8> {
    (0..len).map(|index| index as u8).collect()
}

/// What a call has returned: a number, and the bytes that came, by their sum.
pub(crate) type Seen = Result<(usize, u64), Errno>;

fn came(returned: nix::Result<usize>, bytes: &[u8]) -> Seen {
    let len = returned?;
    Ok((len, bytes.iter().take(len).enumerate().map(|(index, &byte)| index as u64 * u64::from(byte)).sum()))
}

fn make(call: &Call, fd: &OwnedFd, patience: u16) -> Seen {
    match *call {
        Call::Read(len) => {
            let mut bytes = vec![0; len];
            came(read(fd, &mut bytes), &bytes)
        }
        Call::ReadV(a, b) => {
            let (mut first, mut second) = (vec![0; a], vec![0; b]);
            let returned = readv(fd, &mut [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)]);
            came(returned, &[first, second].concat())
        }
        Call::Recv(len, flags) => {
            let mut bytes = vec![0; len];
            came(recv(fd.as_raw_fd(), &mut bytes, flags), &bytes)
        }
        Call::RecvMsg(len) => {
            let mut bytes = vec![0; len];
            let returned = recvmsg::<()>(fd.as_raw_fd(), &mut [IoSliceMut::new(&mut bytes)], None, MsgFlags::empty())
                .map(|message| message.bytes);
            came(returned, &bytes)
        }
        Call::Write(len) => came(write(fd, &data(len)), &[]),
        Call::WriteV(a, b) => came(writev(fd, &[IoSlice::new(&data(a)), IoSlice::new(&data(b))]), &[]),
        Call::Send(len, flags) => came(send(fd.as_raw_fd(), &data(len), flags), &[]),
        Call::SendMsg(len) => {
            came(sendmsg::<()>(fd.as_raw_fd(), &[IoSlice::new(&data(len))], &[], MsgFlags::MSG_NOSIGNAL, None), &[])
        }
        Call::Poll(events, millis) => {
            let mut one = [PollFd::new(fd.as_fd(), events)];
            let ready = poll(&mut one, u16::from(millis) * patience)? as usize;
            Ok((ready, one[0].revents().map_or(0, |events| events.bits() as u64)))
        }
        Call::Shutdown(how) => shutdown(fd.as_raw_fd(), how).map(|()| (0, 0)),
        Call::NonBlocking(on) => {
            fcntl(fd, FcntlArg::F_SETFL(if on { OFlag::O_NONBLOCK } else { OFlag::empty() })).map(|_| (0, 0))
        }
    }
}

/// Reads what is there.
fn drain(fd: &OwnedFd) {
    let mut bytes = vec![0; 1 << 16];
    loop {
        let mut one = [PollFd::new(fd.as_fd(), PollFlags::POLLIN)];
        let is_there =
            poll(&mut one, 0_u8) == Ok(1) && one[0].revents().is_some_and(|seen| seen.contains(PollFlags::POLLIN));
        if !is_there || !matches!(read(fd, &mut bytes), Ok(1..)) {
            return;
        }
    }
}

/// Makes the calls one after the other, each with its limit times `patience`. What happens meanwhile has ended before
/// the next.
pub(crate) fn run(kind: Kind, steps: &[Step], patience: u16) -> Vec<Seen> {
    let ends = ends(kind, patience);
    let mut seen = Vec::new();
    for Step { end, call, meanwhile } in steps {
        let other = &ends[1 - end];
        let is_done = AtomicBool::new(false);
        let result = thread::scope(|scope| {
            let is_done = &is_done;
            let thread = gettid().as_raw();
            scope.spawn(move || {
                // The call waits, or has returned.
                while !is_asleep(thread) && !is_done.load(Ordering::Acquire) {
                    thread::yield_now();
                }
                match (kind, meanwhile) {
                    // A pipe knows no limit, so something happens that ends the wait.
                    (Kind::Pipe, _) if *end == 0 => _ = write(other, b"x"),
                    (Kind::Pipe, _) | (_, Meanwhile::Drains) => {
                        while !is_done.load(Ordering::Acquire) {
                            drain(other);
                            thread::yield_now();
                        }
                    }
                    (_, Meanwhile::Nothing) => {}
                    // Less than what fits, so that it does not wait.
                    (_, Meanwhile::Writes(len)) => {
                        _ = send(
                            other.as_raw_fd(),
                            &data(*len.min(&50_000)),
                            MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL,
                        )
                    }
                    (_, Meanwhile::Ends) => _ = shutdown(other.as_raw_fd(), Shutdown::Write),
                }
            });
            let result = make(call, &ends[*end], patience);
            is_done.store(true, Ordering::Release);
            result
        });
        if matches!(kind, Kind::Pipe) || matches!(meanwhile, Meanwhile::Drains) {
            // How much was drained depends on time.
            ends.iter().for_each(drain);
        }
        seen.push(result);
    }
    seen
}

/// Makes the calls on this thread and in a fiber; an error says how what they return differs.
pub(crate) fn compare(layer: &FiberLayer, kind: Kind, steps: &[Step]) -> Result<(), String> {
    let tokio = Builder::new_current_thread().enable_all().build().unwrap();
    let in_fiber = |patience| {
        let steps = steps.to_vec();
        tokio.block_on(layer.run(move || run(kind, &steps, patience)))
    };
    // On a busy machine what happens meanwhile may come too late for a call's limit.
    let tries = [1, 1, 2, 4, 8, 16, 32, 32];
    let differences: Vec<_> = tries
        .iter()
        .map(|&patience| (run(kind, steps, patience), in_fiber(patience)))
        .take_while(|(expected, seen)| expected != seen)
        .collect();
    if differences.len() < tries.len() { Ok(()) } else { Err(format!("on a thread, in a fiber: {differences:?}")) }
}
