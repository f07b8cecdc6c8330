//! Random sequences of calls.

use nix::{
    poll::PollFlags,
    sys::socket::{MsgFlags, Shutdown},
};
use proptest::prelude::*;

use super::script::{Call, Kind, Meanwhile, Step};

fn sizes() -> impl Strategy<Value = usize> {
    prop_oneof![Just(0), 1..100_usize, Just(4096), 60_000..300_000_usize]
}

fn step() -> impl Strategy<Value = Step> {
    let reads = prop_oneof![
        Just(MsgFlags::empty()),
        Just(MsgFlags::MSG_DONTWAIT),
        Just(MsgFlags::MSG_PEEK),
        Just(MsgFlags::MSG_WAITALL)
    ];
    let writes = prop_oneof![Just(MsgFlags::empty()), Just(MsgFlags::MSG_DONTWAIT), Just(MsgFlags::MSG_NOSIGNAL)];
    let events = prop_oneof![
        Just(PollFlags::POLLIN),
        Just(PollFlags::POLLOUT),
        Just(PollFlags::POLLIN | PollFlags::POLLOUT),
        Just(PollFlags::empty())
    ];
    let call = prop_oneof![
        3 => sizes().prop_map(Call::Read),
        1 => (sizes(), sizes()).prop_map(|(a, b)| Call::ReadV(a, b)),
        3 => (sizes(), reads).prop_map(|(len, flags)| Call::Recv(len, flags)),
        1 => sizes().prop_map(Call::RecvMsg),
        3 => sizes().prop_map(Call::Write),
        1 => (sizes(), sizes()).prop_map(|(a, b)| Call::WriteV(a, b)),
        3 => (sizes(), writes).prop_map(|(len, flags)| Call::Send(len, flags)),
        1 => sizes().prop_map(Call::SendMsg),
        2 => (events, prop_oneof![Just(0_u8), Just(5)]).prop_map(|(events, millis)| Call::Poll(events, millis)),
        1 => prop_oneof![Just(Shutdown::Read), Just(Shutdown::Write)].prop_map(Call::Shutdown),
        1 => any::<bool>().prop_map(Call::NonBlocking),
    ];
    let meanwhile = prop_oneof![
        4 => Just(Meanwhile::Nothing),
        3 => sizes().prop_map(Meanwhile::Writes),
        2 => Just(Meanwhile::Drains),
        1 => Just(Meanwhile::Ends),
    ];
    (0..2_usize, call, meanwhile).prop_map(|(end, call, meanwhile)| Step { end, call, meanwhile })
}

/// Up to seven calls on one pair.
pub(crate) fn script() -> impl Strategy<Value = (Kind, Vec<Step>)> {
    let kinds = prop_oneof![Just(Kind::Stream), Just(Kind::Datagram), Just(Kind::Packets), Just(Kind::Pipe)];
    (kinds, proptest::collection::vec(step(), 1..8))
}
