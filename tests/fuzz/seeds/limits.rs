//! `max_fibers`, readiness, parked futures.

use super::*;

pub(super) fn seeds() -> Vec<(&'static str, Script)> {
    let serve = |layer, program| Operation::Serve { layer, program };
    let parked =
        || Program { phases: vec![Phase::Park { gate: 0 }, Phase::Run { steps: vec![wait(1)] }], ..Program::default() };
    let ready = || Operation::Ready { service: 0, waker: WakerSetup::default() };
    let call = |request| Operation::Call { service: 0, request };
    vec![
        (
            "request-drop-panics",
            Script {
                layers: limited(1),
                operations: vec![
                    serve(FINISH, Program::default()),
                    ready(),
                    call(dropped(Act::Panic)),
                    Operation::Drop { call: 0 },
                ],
                ..Script::default()
            },
        ),
        (
            "ready-and-never-called",
            Script {
                layers: limited(1),
                operations: vec![
                    serve(FINISH, parked()),
                    ready(),
                    start(fiber(FINISH, vec![wait(0)])),
                    poll(),
                    ready(),
                ],
                ..Script::default()
            },
        ),
        (
            "parked-goes-on",
            Script {
                layers: limited(1),
                operations: vec![
                    serve(UNWIND, parked()),
                    ready(),
                    call(ValueSetup::default()),
                    poll(),
                    start(fiber(UNWIND, vec![wait(2)])),
                    Operation::Poll { call: 1, waker: WakerSetup::default() },
                    Operation::Open { gate: 0 },
                    poll(),
                ],
                ending: Ending::Cancel,
                ..Script::default()
            },
        ),
        (
            "inner-left-behind",
            Script {
                layers: limited(1),
                operations: vec![
                    start(fiber(
                        FINISH,
                        vec![Step::Race { limit: 1, children: vec![vec![wait(0)], vec![wait(1)]] }, wait(2)],
                    )),
                    poll(),
                    Operation::Advance { millis: 20 },
                    poll(),
                    Operation::Idle,
                ],
                ..Script::default()
            },
        ),
        (
            "closed-and-drained",
            Script {
                operations: vec![
                    start(fiber(FINISH, vec![wait(0), Step::Nest { fiber: fiber(FINISH, vec![Step::Yield]) }])),
                    poll(),
                    Operation::Act { act: Act::Close { layer: FINISH } },
                    Operation::Drained { layer: FINISH },
                    Operation::Poll { call: 1, waker: WakerSetup { woken: Act::Panic, ..WakerSetup::default() } },
                    Operation::Open { gate: 0 },
                    poll(),
                ],
                ..script(Vec::new())
            },
        ),
        (
            "service-in-service",
            script(vec![
                start(fiber(
                    FINISH,
                    vec![Step::Serve {
                        layer: UNWIND,
                        program: Program { cloned: Act::Try { gate: 0 }, ..parked() },
                        request: ValueSetup::default(),
                    }],
                )),
                poll(),
                Operation::Open { gate: 0 },
                poll(),
            ]),
        ),
    ]
}
