//! The model: a fiber as a stack of plain frames.

use crate::{
    script::{Event, FINISH, LayerId, Script, Step, UNWIND},
    shared::{Orders, Shared},
};

enum Frame {
    /// The steps that are left, the last one first.
    Steps(Vec<Step>),
    Hold,
    Shield,
    Catch,
    /// The fiber that is waited for.
    Child(Box<Machine>),
}

/// What a fiber waits for.
#[derive(Clone, Copy, PartialEq)]
enum At {
    Start,
    Wait(usize),
    Try(usize),
    Child,
}

pub(crate) struct Machine {
    layer: LayerId,
    name: usize,
    frames: Vec<Frame>,
    at: At,
    /// Those given, and those in force.
    given: Orders,
    orders: Orders,
    shields: usize,
    /// How often its layer had been cancelled when it was begun.
    cancels: Option<u32>,
    is_nested_shielded: bool,
    is_orphan: bool,
}

/// How a fiber has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Returned,
    Unwound,
}

enum Flow {
    Next,
    Suspend,
    Unwind,
}

impl Machine {
    pub(crate) fn new(script: &Script, shared: &mut Shared) -> Self {
        shared.events.push(Vec::new());
        let steps = script.steps.iter().rev().cloned().collect();
        Self {
            layer: script.layer,
            name: shared.events.len() - 1,
            frames: vec![Frame::Steps(steps)],
            at: At::Start,
            given: Orders::default(),
            orders: Orders::default(),
            shields: 0,
            cancels: None,
            is_nested_shielded: false,
            is_orphan: false,
        }
    }

    pub(crate) fn has_begun(&self) -> bool {
        self.at != At::Start
    }

    /// Its future was dropped.
    pub(crate) fn abandon(self, shared: &mut Shared) {
        if self.has_begun() {
            shared.orphans.push(self);
        } else {
            // The closure.
            shared.drops += 1;
        }
    }

    /// As a task of its own, which knows that nobody waits.
    pub(crate) fn poll_orphan(&mut self, shared: &mut Shared) -> Option<Outcome> {
        if !std::mem::replace(&mut self.is_orphan, true) {
            shared.counters[self.layer].handed_over += 1;
            self.given.gone = true;
            if self.layer != FINISH {
                self.given.add(Orders::cancel(self.layer));
            }
        }
        self.poll(shared, None)
    }

    /// It and what lies inside can never be resumed.
    pub(crate) fn leak(&self, shared: &mut Shared) {
        let counters = &mut shared.counters[self.layer];
        counters.live -= 1;
        counters.leaked += 1;
        counters.abandoned -= u64::from(self.orders.gone);
        for frame in &self.frames {
            if let Frame::Child(child) = frame {
                child.leak(shared);
            }
        }
    }

    fn log(&self, shared: &mut Shared, event: Event) {
        shared.events[self.name].push(event);
    }

    pub(crate) fn poll(&mut self, shared: &mut Shared, around: Option<&Self>) -> Option<Outcome> {
        let is_first = !self.has_begun();
        if is_first {
            let counters = &mut shared.counters[self.layer];
            counters.live += 1;
            counters.stacks_in_use += 1;
        }
        if *self.cancels.get_or_insert(shared.cancels[self.layer]) != shared.cancels[self.layer] {
            self.given.add(Orders::cancel(self.layer));
        }
        if let Some(around) = around {
            let follows = self.layer != FINISH;
            self.given.add(Orders {
                gone: around.orders.gone,
                cancelled: around.orders.cancelled && follows,
                unwinding: around.orders.unwinding && self.layer == UNWIND,
            });
        }
        self.take_orders(shared);
        let mut flow = self.resume(shared);
        loop {
            match flow {
                Flow::Suspend => return None,
                Flow::Unwind => match self.unwind(shared) {
                    true => flow = Flow::Next,
                    false => return Some(self.end(shared, Outcome::Unwound)),
                },
                Flow::Next => match self.step(shared) {
                    Some(next) => flow = next,
                    None => return Some(self.end(shared, Outcome::Returned)),
                },
            }
        }
    }

    fn end(&mut self, shared: &mut Shared, outcome: Outcome) -> Outcome {
        let counters = &mut shared.counters[self.layer];
        counters.live -= 1;
        counters.stacks_in_use -= 1;
        counters.cancelled += u64::from(self.given.cancelled);
        counters.abandoned -= u64::from(self.orders.gone);
        shared.drops += 1;
        outcome
    }

    fn take_orders(&mut self, shared: &mut Shared) {
        let gone = Orders { gone: self.given.gone, ..Orders::default() };
        shared.counters[self.layer].abandoned += u64::from(self.given.gone && !self.orders.gone);
        self.orders.add(if self.shields > 0 { gone } else { self.given });
    }

    /// Goes on where it waits.
    fn resume(&mut self, shared: &mut Shared) -> Flow {
        match self.at {
            At::Start => Flow::Next,
            At::Wait(_) if self.orders.unwinding => Flow::Unwind,
            At::Wait(gate) => self.wait(gate, shared),
            At::Try(gate) => self.try_wait(gate, shared),
            At::Child => self.poll_child(shared),
        }
    }

    fn wait(&mut self, gate: usize, shared: &mut Shared) -> Flow {
        self.at = At::Wait(gate);
        self.is_nested_shielded = false;
        if !shared.open[gate] {
            return Flow::Suspend;
        }
        self.log(shared, Event::Waited);
        Flow::Next
    }

    fn try_wait(&mut self, gate: usize, shared: &mut Shared) -> Flow {
        self.at = At::Try(gate);
        if self.orders.cancelled {
            shared.counters[self.layer].refused_waits += 1;
            self.log(shared, Event::Tried { cancelled: true });
            return Flow::Next;
        }
        self.is_nested_shielded = false;
        if !shared.open[gate] {
            return Flow::Suspend;
        }
        self.log(shared, Event::Tried { cancelled: false });
        Flow::Next
    }

    fn poll_child(&mut self, shared: &mut Shared) -> Flow {
        self.at = At::Child;
        let Some(Frame::Child(mut child)) = self.frames.pop() else { unreachable!("it waits for one") };
        match child.poll(shared, Some(self)) {
            Some(Outcome::Returned) => {
                self.is_nested_shielded = false;
                self.log(shared, Event::Nested);
                Flow::Next
            }
            Some(Outcome::Unwound) => Flow::Unwind,
            None => {
                self.is_nested_shielded = child.shields > 0 || child.is_nested_shielded;
                self.frames.push(Frame::Child(child));
                if self.orders.unwinding && !self.is_nested_shielded { Flow::Unwind } else { Flow::Suspend }
            }
        }
    }

    /// One step; `None` at the end.
    fn step(&mut self, shared: &mut Shared) -> Option<Flow> {
        let step = match self.frames.last_mut()? {
            Frame::Steps(steps) => steps.pop(),
            _ => unreachable!("steps are on top, or nothing"),
        };
        let Some(step) = step else {
            self.frames.pop();
            return self.frames.pop().map(|frame| {
                self.leave(frame, shared, false);
                Flow::Next
            });
        };
        Some(match step {
            Step::Wait(_) if self.orders.unwinding => Flow::Unwind,
            Step::Wait(gate) => self.wait(gate, shared),
            Step::Try(gate) => self.try_wait(gate, shared),
            Step::Ready if self.orders.unwinding => Flow::Unwind,
            Step::Ready => self.done(shared, Event::Ready),
            Step::Block => self.done(shared, Event::Blocked),
            Step::Look => self.done(shared, Event::Looked { gone: self.orders.gone }),
            Step::Panic => Flow::Unwind,
            Step::Hold(steps) => self.enter(Frame::Hold, steps),
            Step::Shield(steps) => {
                self.shields += 1;
                self.enter(Frame::Shield, steps)
            }
            Step::Catch(steps) => self.enter(Frame::Catch, steps),
            Step::Nest(script) => {
                let child = Self::new(&script, shared);
                if self.orders.unwinding {
                    child.abandon(shared);
                    Flow::Unwind
                } else {
                    self.frames.push(Frame::Child(Box::new(child)));
                    self.poll_child(shared)
                }
            }
        })
    }

    fn done(&self, shared: &mut Shared, event: Event) -> Flow {
        self.log(shared, event);
        Flow::Next
    }

    fn enter(&mut self, frame: Frame, mut steps: Vec<Step>) -> Flow {
        steps.reverse();
        self.frames.push(frame);
        self.frames.push(Frame::Steps(steps));
        Flow::Next
    }

    /// Leaves a frame whose steps have ended, or that is unwound.
    fn leave(&mut self, frame: Frame, shared: &mut Shared, unwound: bool) {
        let event = match frame {
            Frame::Steps(_) => return,
            Frame::Child(child) => return child.abandon(shared),
            Frame::Hold => {
                shared.drops += 1;
                Event::Held
            }
            Frame::Shield => {
                self.shields -= 1;
                self.take_orders(shared);
                Event::Shielded
            }
            Frame::Catch => return self.log(shared, Event::Caught { unwound }),
        };
        if !unwound {
            self.log(shared, event);
        }
    }

    /// Whether somebody catches it.
    fn unwind(&mut self, shared: &mut Shared) -> bool {
        while let Some(frame) = self.frames.pop() {
            let is_caught = matches!(frame, Frame::Catch);
            self.leave(frame, shared, true);
            if is_caught {
                return true;
            }
        }
        false
    }
}
