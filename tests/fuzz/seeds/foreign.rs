//! Code of others at each point.

use super::*;

pub(super) fn seeds() -> Vec<(&'static str, Script)> {
    let woken = |act| WakerSetup { woken: act, ..WakerSetup::default() };
    let waker_dropped = |act| WakerSetup { dropped: act, ..WakerSetup::default() };
    let cloned = |act| WakerSetup { cloned: act, ..WakerSetup::default() };
    let polled = |steps: Steps, waker| {
        script(vec![start(fiber(FINISH, steps)), poll_by(waker), poll(), Operation::Open { gate: 0 }, poll()])
    };
    let into =
        |act| Step::Wait { awaited: Awaited { source: Source::Gate { gate: 0 }, into: act, ..Awaited::default() } };
    let cut =
        |act| Step::Wait { awaited: Awaited { source: Source::Gate { gate: 0 }, dropped: act, ..Awaited::default() } };
    let hooked = |hook: HookSetup, hooks| Script {
        layers: layers().map(|layer| LayerSetup { hooks: vec![hook; hooks], ..layer }),
        ..polled(vec![wait(0)], WakerSetup::default())
    };
    vec![
        ("waker-waits-in-yield", polled(vec![Step::Ready { times: 130 }], woken(Act::Wait { gate: 0 }))),
        ("waker-panics", polled(vec![wait(0)], woken(Act::Panic))),
        ("waker-clone-panics", polled(vec![wait(0)], cloned(Act::Panic))),
        ("waker-drop-panics", polled(vec![wait(0)], waker_dropped(Act::Panic))),
        (
            "waker-drop-wakes",
            polled(vec![Step::Join { children: vec![vec![wait(0)]] }], waker_dropped(Act::Wake { gate: 0 })),
        ),
        (
            "cancel-ends-a-wait",
            script(vec![
                start(fiber(
                    UNWIND,
                    vec![Step::Wait {
                        awaited: Awaited { source: Source::Never, into: Act::Wait { gate: 0 }, ..Awaited::default() },
                    }],
                )),
                poll(),
                Operation::Act { act: Act::CancelAll { layer: UNWIND } },
                poll(),
            ]),
        ),
        (
            "polled-after-its-end",
            script(vec![
                start(fiber(FINISH, vec![Step::Yield])),
                poll(),
                Operation::PollTwice { call: 0, waker: WakerSetup::default() },
            ]),
        ),
        ("waker-drops-its-call", polled(vec![wait(0)], woken(Act::DropCall { call: 0 }))),
        (
            "cancel-while-into-future-waits",
            script(vec![
                start(fiber(CANCEL, vec![into(Act::Wait { gate: 1 }), attempt(0)])),
                poll(),
                Operation::Act { act: Act::CancelAll { layer: CANCEL } },
                Operation::Open { gate: 1 },
                poll(),
            ]),
        ),
        (
            "cut-future-panics",
            script(vec![
                start(fiber(UNWIND, vec![cut(Act::Panic)])),
                poll(),
                Operation::Drop { call: 0 },
                Operation::Idle,
            ]),
        ),
        (
            "cut-future-panics-locally",
            script(vec![start(local(vec![cut(Act::Panic)])), poll(), Operation::Drop { call: 0 }]),
        ),
        ("hook-panics", hooked(HookSetup { on_suspend: Act::Panic, ..HookSetup::default() }, 2)),
        ("hook-waits", hooked(HookSetup { on_resume: Act::Wait { gate: 1 }, ..HookSetup::default() }, 1)),
        ("local-waits", polled(vec![Step::Local { value: dropped(Act::Wait { gate: 0 }) }], WakerSetup::default())),
        (
            "carried-clone-waits",
            Script {
                layers: layers().map(|layer| LayerSetup { carries: true, ..layer }),
                operations: vec![
                    start(fiber(FINISH, vec![wait(0)])),
                    Operation::PollCarrying {
                        call: 0,
                        waker: WakerSetup::default(),
                        value: ValueSetup { cloned: Act::Wait { gate: 1 }, dropped: Act::Panic },
                    },
                ],
                ..Script::default()
            },
        ),
        (
            "asked-for-backtraces",
            script(vec![
                start(fiber(FINISH, vec![wait(0)])),
                poll(),
                Operation::Backtraces { layer: FINISH },
                Operation::Poll { call: 1, waker: woken(Act::Panic) },
                poll(),
            ]),
        ),
        (
            "off-the-stack",
            script(vec![
                start(fiber(
                    FINISH,
                    vec![Step::Thread {
                        steps: vec![
                            attempt(0),
                            Step::Held {
                                fiber: local(vec![wait(0)]),
                                waker: WakerSetup::default(),
                                steps: vec![attempt(1)],
                            },
                        ],
                    }],
                )),
                poll(),
            ]),
        ),
    ]
}
