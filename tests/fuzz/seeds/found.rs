//! What the fuzzer has found, in few words.

use super::*;

pub(super) fn seeds() -> Vec<(&'static str, Script)> {
    let dropped_panics = WakerSetup { dropped: Act::Panic, ..WakerSetup::default() };
    let cloned_panics = WakerSetup { cloned: Act::Panic, ..WakerSetup::default() };
    let suspend_panics = HookSetup { on_suspend: Act::Panic, ..HookSetup::default() };
    let join = |children| Step::Join { children };
    let ended = |ending, script| Script { ending, ..script };
    vec![
        (
            "losers-past-a-destructor",
            script(vec![
                start(fiber(
                    FINISH,
                    vec![Step::Race { limit: 0, children: vec![vec![Step::Yield, Step::Yield]] }, wait(0)],
                )),
                poll_by(dropped_panics),
            ]),
        ),
        (
            "outcomes-past-a-destructor",
            script(vec![
                start(fiber(FINISH, vec![join(vec![vec![wait(0)]])])),
                poll(),
                Operation::Open { gate: 0 },
                poll_by(dropped_panics),
            ]),
        ),
        (
            "ended-child-of-a-leaked-fiber",
            ended(
                Ending::ShutDown,
                script(vec![start(fiber(FINISH, vec![join(vec![vec![wait(0)], vec![]])])), poll()]),
            ),
        ),
        (
            "waker-clone-panics-under-a-limit",
            Script {
                layers: limited(1),
                ..script(vec![
                    start(fiber(FINISH, vec![Step::Yield])),
                    start(fiber(FINISH, vec![])),
                    poll_by(cloned_panics),
                ])
            },
        ),
        (
            "cut-by-one-and-polled-by-another",
            script(vec![
                start(FiberSetup { held: dropped(Act::PollCall { call: 0 }), ..local(vec![wait(0)]) }),
                start(local(vec![Step::Yield, Step::Yield])),
                poll(),
                Operation::Drop { call: 0 },
            ]),
        ),
        (
            "given-away-in-a-shield",
            script(vec![
                start(local(vec![
                    Step::Keep {
                        fiber: fiber(CANCEL, vec![shield(vec![wait(0), wait(1)])]),
                        waker: WakerSetup::default(),
                    },
                    wait(2),
                ])),
                poll(),
                Operation::Drop { call: 0 },
                Operation::Idle,
            ]),
        ),
        (
            "in-line-inside-a-fiber-when-all-is-cancelled",
            Script {
                layers: limited(1),
                ..script(vec![
                    start(fiber(FINISH, vec![wait(0)])),
                    // On a thread that ends, so that its permit is never given back.
                    Operation::PollElsewhere { call: 0, waker: WakerSetup::default() },
                    start(local(vec![Step::Nest { fiber: fiber(FINISH, vec![]) }])),
                ])
            },
        ),
        (
            "drained-is-polled-by-a-waker-that-calls",
            script(vec![
                start(fiber(FINISH, vec![wait(0)])),
                poll(),
                Operation::Drained { layer: FINISH },
                Operation::Poll {
                    call: 1,
                    waker: WakerSetup { cloned: Act::Call { layer: FINISH }, ..WakerSetup::default() },
                },
            ]),
        ),
        (
            "polled-again-after-a-waker-panicked-in-a-set",
            Script {
                host: Host::Set,
                ..script(vec![
                    start(fiber(FINISH, vec![])),
                    Operation::PollTwice { call: 0, waker: dropped_panics },
                    Operation::Idle,
                    Operation::PollTwice { call: 0, waker: WakerSetup::default() },
                ])
            },
        ),
        (
            "hook-panics-past-an-outcome-in-a-set",
            Script {
                host: Host::Set,
                layers: layers().map(|layer| LayerSetup { hooks: vec![suspend_panics], ..layer }),
                ..script(vec![start(FiberSetup { output: dropped(Act::Panic), ..fiber(FINISH, vec![]) })])
            },
        ),
        (
            "carried-value-waits-when-it-is-cloned",
            Script {
                layers: layers().map(|layer| LayerSetup { carries: layer.policy == Policy::Cancel, ..layer }),
                ..script(vec![
                    start(FiberSetup { held: dropped(Act::Call { layer: CANCEL }), ..fiber(FINISH, vec![]) }),
                    Operation::PollCarrying {
                        call: 0,
                        waker: WakerSetup::default(),
                        value: ValueSetup { cloned: Act::Wait { gate: 0 }, ..ValueSetup::default() },
                    },
                ])
            },
        ),
        (
            "hook-panics-past-a-payload-that-panics",
            Script {
                layers: layers().map(|layer| LayerSetup { hooks: vec![suspend_panics], ..layer }),
                ..script(vec![
                    start(fiber(FINISH, vec![Step::Panic { payload: dropped(Act::Panic), is_bold: true }])),
                    poll(),
                ])
            },
        ),
        (
            "child-on-the-pool-of-a-fiber-elsewhere",
            Script {
                host: Host::Pool,
                ..script(vec![
                    start(local(vec![Step::Nest { fiber: fiber(UNWIND, vec![wait(0)]) }])),
                    poll(),
                    Operation::Idle,
                    Operation::Drop { call: 0 },
                ])
            },
        ),
        (
            "polled-while-a-runtime-ends",
            Script {
                layers: layers().map(|layer| LayerSetup {
                    hooks: vec![HookSetup { state_dropped: Act::PollCall { call: 0 }, ..HookSetup::default() }],
                    ..layer
                }),
                ..script(vec![
                    start(FiberSetup { held: dropped(Act::Wait { gate: 0 }), ..fiber(FINISH, vec![]) }),
                    start(fiber(FINISH, vec![wait(0)])),
                    Operation::PollElsewhere { call: 1, waker: dropped_panics },
                ])
            },
        ),
        (
            "hook-panics-past-the-payload-of-a-sibling",
            Script {
                layers: layers().map(|layer| LayerSetup { hooks: vec![suspend_panics], ..layer }),
                ..script(vec![
                    start(fiber(
                        FINISH,
                        vec![join(vec![
                            vec![Step::Panic { payload: dropped(Act::Panic), is_bold: true }],
                            vec![Step::Yield],
                        ])],
                    )),
                    poll(),
                ])
            },
        ),
        (
            "ready-in-a-leaked-fiber",
            Script {
                layers: limited(1),
                ending: Ending::Drop,
                ..script(vec![
                    start(local(vec![shield(vec![Step::Serve {
                        layer: CANCEL,
                        program: Program { ready: 255, cloned: Act::Try { gate: 0 }, ..Program::default() },
                        request: ValueSetup::default(),
                    }])])),
                    poll(),
                ])
            },
        ),
    ]
}
