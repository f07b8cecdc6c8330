//! Hosts and endings.

use super::*;

pub(super) fn seeds() -> Vec<(&'static str, Script)> {
    let operations = || {
        vec![
            start(fiber(
                FINISH,
                vec![Step::Hold { value: dropped(Act::Call { layer: UNWIND }), steps: vec![wait(0)] }],
            )),
            start(fiber(UNWIND, vec![Step::Join { children: vec![vec![wait(0)], vec![Step::Yield, wait(1)]] }])),
            start(fiber(CANCEL, vec![attempt(0), Step::Ready { times: 5 }])),
            poll(),
            Operation::Poll { call: 1, waker: WakerSetup::default() },
            Operation::Poll { call: 2, waker: WakerSetup::default() },
            Operation::Idle,
            Operation::DropElsewhere { call: 1 },
            Operation::Idle,
        ]
    };
    let by_task = |call| Operation::PollByTask { call };
    let ended = |host, ending| Script { host, ending, ..script(operations()) };
    vec![
        ("block-drop", ended(Host::Block, Ending::Drop)),
        ("block-shut-down", ended(Host::Block, Ending::ShutDown)),
        ("set-await", ended(Host::Set, Ending::Await)),
        ("set-shut-down", ended(Host::Set, Ending::ShutDown)),
        ("pool-cancel", ended(Host::Pool, Ending::Cancel)),
        ("pool-shut-down", ended(Host::Pool, Ending::ShutDown)),
        ("task-drop-panicking", ended(Host::Task, Ending::DropPanicking)),
        (
            "graces",
            Script {
                layers: layers().map(|layer| LayerSetup { has_grace: true, ..layer }),
                operations: [operations(), vec![Operation::Advance { millis: 20 }, Operation::Idle]].concat(),
                ..Script::default()
            },
        ),
        (
            "polled-by-the-task",
            script(vec![
                start(fiber(FINISH, vec![])),
                by_task(0),
                start(fiber(FINISH, vec![wait(0)])),
                by_task(0),
                Operation::Drop { call: 0 },
                start(fiber(UNWIND, vec![Step::Join { children: vec![vec![wait(1)], vec![]] }])),
                by_task(0),
                Operation::Idle,
                Operation::Open { gate: 1 },
                by_task(0),
            ]),
        ),
        (
            "polled-elsewhere",
            script(vec![
                start(fiber(FINISH, vec![wait(0)])),
                Operation::PollElsewhere { call: 0, waker: WakerSetup::default() },
                poll(),
                Operation::Idle,
            ]),
        ),
    ]
}
