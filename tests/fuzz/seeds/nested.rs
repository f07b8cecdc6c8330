//! Shields, and which fiber unwinds first.

use super::*;

pub(super) fn seeds() -> Vec<(&'static str, Script)> {
    let in_shield = || vec![shield(vec![wait(0), wait(1)])];
    let dropped_at_a_wait = |steps: Steps| {
        script(vec![start(fiber(UNWIND, steps)), poll(), poll(), Operation::Drop { call: 0 }, Operation::Idle])
    };
    let cancelled_at_a_wait = |steps: Steps| {
        script(vec![
            start(fiber(UNWIND, steps)),
            poll(),
            poll(),
            Operation::Act { act: Act::CancelAll { layer: UNWIND } },
            poll(),
            Operation::Open { gate: 0 },
            poll(),
        ])
    };
    vec![
        ("shield-in-join", dropped_at_a_wait(vec![Step::Join { children: vec![in_shield(), vec![wait(2)]] }])),
        (
            "shield-in-join-cancelled",
            cancelled_at_a_wait(vec![Step::Join { children: vec![in_shield(), vec![wait(2)]] }]),
        ),
        (
            "shield-in-race",
            cancelled_at_a_wait(vec![Step::Race { limit: 2, children: vec![in_shield(), vec![attempt(2)]] }]),
        ),
        (
            "shield-in-unordered",
            dropped_at_a_wait(vec![Step::Unordered {
                take: 2,
                children: vec![fiber(UNWIND, in_shield()), local(vec![wait(2)])],
            }]),
        ),
        (
            "shield-in-select",
            cancelled_at_a_wait(vec![Step::Select {
                manner: 2,
                children: vec![local(in_shield()), fiber(UNWIND, vec![wait(3)])],
            }]),
        ),
        (
            "inner-before-outer",
            dropped_at_a_wait(vec![Step::Nest {
                fiber: fiber(UNWIND, vec![Step::Hold { value: dropped(Act::Try { gate: 1 }), steps: vec![wait(0)] }]),
            }]),
        ),
        (
            "local-in-shield",
            script(vec![
                start(local(in_shield())),
                poll(),
                Operation::Open { gate: 0 },
                Operation::DropPanicking { call: 0 },
            ]),
        ),
        ("caught-and-on", dropped_at_a_wait(vec![Step::Catch { steps: vec![wait(0)] }, attempt(1), wait(1)])),
        (
            "kept-from-inside",
            script(vec![
                start(fiber(
                    UNWIND,
                    vec![Step::Keep { fiber: fiber(UNWIND, in_shield()), waker: WakerSetup::default() }, wait(3)],
                )),
                poll(),
                Operation::Drop { call: 0 },
                Operation::Idle,
                poll(),
            ]),
        ),
        (
            "two-payloads",
            script(vec![
                start(fiber(
                    FINISH,
                    vec![Step::Join {
                        children: vec![
                            vec![Step::Panic { payload: dropped(Act::Panic), is_bold: true }],
                            vec![Step::Panic { payload: dropped(Act::Panic), is_bold: true }],
                        ],
                    }],
                )),
                poll(),
            ]),
        ),
    ]
}
