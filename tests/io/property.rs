//! Any sequence of synchronous operations gives what the asynchronous ones give, over a stream that is short, late and
//! broken anywhere.

#![cfg(feature = "io")]

use std::io::{BufRead, ErrorKind, IoSlice, Seek, SeekFrom, Write};

use proptest::{collection::vec, prelude::*, test_runner::TestRunner};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
use tower_fiber::{io::FiberIo, run_in_fiber};

use crate::scripted::{Event, Plain, Scripted};

#[derive(Clone, Debug)]
enum Operation {
    Read(usize),
    ReadExact(usize),
    /// Into a `Vec` with three bytes and this much room.
    ReadToEnd(usize),
    ReadToString(&'static str),
    /// Fills the buffer, and consumes as much as this of it.
    FillBuf(usize),
    ReadUntil(u8),
    Write(Vec<u8>),
    WriteVectored(Vec<u8>, Vec<u8>),
    WriteAll(Vec<u8>),
    Flush,
    Seek(SeekFrom),
}

impl Operation {
    fn any() -> impl Strategy<Value = Self> {
        let bytes = || vec(any::<u8>(), 0..60);
        prop_oneof![
            (1..60_usize).prop_map(Self::Read),
            (0..60_usize).prop_map(Self::ReadExact),
            (0..200_usize).prop_map(Self::ReadToEnd),
            prop::sample::select(&["", "before"][..]).prop_map(Self::ReadToString),
            (0..60_usize).prop_map(Self::FillBuf),
            any::<u8>().prop_map(Self::ReadUntil),
            bytes().prop_map(Self::Write),
            (bytes(), bytes()).prop_map(|(a, b)| Self::WriteVectored(a, b)),
            bytes().prop_map(Self::WriteAll),
            Just(Self::Flush),
            (0..200_u64).prop_map(|to| Self::Seek(SeekFrom::Start(to))),
            (-100..100_i64).prop_map(|by| Self::Seek(SeekFrom::Current(by))),
            (-100..100_i64).prop_map(|by| Self::Seek(SeekFrom::End(by))),
        ]
    }
}

/// What an operation has given: a number or the kind of its error, and the bytes that are in the buffer afterwards.
type Outcome = (Result<u64, ErrorKind>, Vec<u8>);

fn outcome<N: TryInto<u64>>(result: std::io::Result<N>, bytes: Vec<u8>) -> Outcome {
    let result = result.map(|n| n.try_into().unwrap_or(u64::MAX)).map_err(|error| error.kind());
    assert_ne!(result, Err(ErrorKind::Interrupted), "it is never given out");
    (result, bytes)
}

const NONE: Vec<u8> = Vec::new();

/// The bytes of a `Vec` for `ReadToEnd`.
fn with_room(room: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(room);
    bytes.extend_from_slice(b"abc");
    bytes
}

/// The operations, written once for the synchronous traits and once, with `await`, for tokio's.
macro_rules! apply {
    ($stream:ident, $operation:ident $(, $await:tt)?) => {
        match $operation {
            Operation::Read(n) => {
                let mut buffer = vec![0xaa; *n];
                outcome($stream.read(&mut buffer)$(.$await)?, buffer)
            }
            Operation::ReadExact(n) => {
                let mut buffer = vec![0xaa; *n];
                outcome($stream.read_exact(&mut buffer)$(.$await)?.map(|_| 0_u64), buffer)
            }
            Operation::ReadToEnd(room) => {
                let mut bytes = with_room(*room);
                outcome($stream.read_to_end(&mut bytes)$(.$await)?, bytes)
            }
            Operation::ReadToString(before) => {
                let mut text = (*before).to_owned();
                outcome($stream.read_to_string(&mut text)$(.$await)?, text.into_bytes())
            }
            Operation::FillBuf(consumed) => {
                let filled = $stream.fill_buf()$(.$await)?.map(|bytes| bytes.to_vec());
                let bytes = filled.as_ref().map_or(NONE, Clone::clone);
                $stream.consume(bytes.len().min(*consumed));
                outcome(filled.map(|bytes| bytes.len()), bytes)
            }
            Operation::ReadUntil(byte) => {
                let mut bytes = NONE;
                outcome($stream.read_until(*byte, &mut bytes)$(.$await)?, bytes)
            }
            Operation::Write(bytes) => outcome($stream.write(bytes)$(.$await)?, NONE),
            Operation::WriteVectored(a, b) => {
                outcome($stream.write_vectored(&[IoSlice::new(a), IoSlice::new(b)])$(.$await)?, NONE)
            }
            Operation::WriteAll(bytes) => outcome($stream.write_all(bytes)$(.$await)?.map(|()| 0_u64), NONE),
            Operation::Flush => outcome($stream.flush()$(.$await)?.map(|()| 0_u64), NONE),
            Operation::Seek(position) => outcome($stream.seek(*position)$(.$await)?, NONE),
        }
    };
}

fn apply(stream: &mut (impl Write + Seek + BufRead), operation: &Operation) -> Outcome {
    apply!(stream, operation)
}

async fn apply_async(stream: &mut Scripted, operation: &Operation) -> Outcome {
    apply!(stream, operation, await)
}

/// `PROPTEST_CASES` sets another number.
fn cases(usual: u32) -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(usual);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

fn for_any(check: impl Fn(&Scripted, Vec<Operation>)) {
    // Mostly ASCII, so that it is often text.
    let bytes = vec(prop_oneof![40 => 0..128_u8, 1 => any::<u8>()], 0..200);
    TestRunner::new(cases(1_000))
        .run(&(bytes, vec(Event::any(), 0..40), vec(Operation::any(), 1..20)), |(bytes, events, operations)| {
            check(&Scripted::new(&bytes, &events), operations);
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
}

/// What each operation gives in a fiber, and the stream afterwards.
fn in_fiber(stream: &Scripted, operations: &[Operation]) -> (Vec<Outcome>, Scripted) {
    let (stream, operations) = (stream.clone(), operations.to_vec());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(run_in_fiber(move || {
        let mut stream = FiberIo::new(stream);
        let outcomes = operations.iter().map(|operation| apply(&mut stream, operation)).collect();
        (outcomes, stream.into_inner())
    }))
}

/// Pending or not, by the methods that std provides; what is interrupted is tried again, also where std leaves that to
/// the caller.
#[test]
fn as_stds_own_methods() {
    for_any(|stream, operations| {
        let mut plain = Plain(stream.clone());
        let expected: Vec<_> = operations.iter().map(|operation| apply(&mut plain, operation)).collect();
        let (given, mut stream) = in_fiber(stream, &operations);
        assert_eq!(given, expected);
        // The one that nothing has asked for any more is left in the one script only.
        for events in [&mut stream.events, &mut plain.0.events] {
            events.retain(|event| *event != Event::Pending);
        }
        assert_eq!(stream, plain.0);
    });
}

/// Not interrupted, which tokio gives out. Nor is the text compared that `read_to_string` leaves after an error: tokio
/// leaves what was there before, std adds what has come if it is text.
#[test]
fn as_tokios_methods() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for_any(|stream, operations| {
        let mut stream = stream.clone();
        stream.events.retain(|event| *event != Event::Fail(ErrorKind::Interrupted));
        let (given, after) = in_fiber(&stream, &operations);
        runtime.block_on(async {
            for (operation, mut given) in operations.iter().zip(given) {
                let mut expected = apply_async(&mut stream, operation).await;
                if matches!(operation, Operation::ReadToString(_)) && expected.0.is_err() {
                    given.1.clear();
                    expected.1.clear();
                }
                assert_eq!(given, expected, "{operation:?}");
            }
        });
        assert_eq!(after, stream);
    });
}
