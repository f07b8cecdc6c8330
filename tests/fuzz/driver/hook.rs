//! Hooks that do anything, and a task-local that layers carry.

use std::{panic::resume_unwind, sync::Weak};

use tower_fiber::Hook;

use super::{
    script::{Act, HookSetup, ValueSetup},
    stage::Stage,
    value::Value,
};

tokio::task_local! {
    pub(crate) static CARRIED: Value;
}

pub(crate) struct ScriptedHook {
    // The layer that has the hook belongs to the stage.
    stage: Weak<Stage>,
    setup: HookSetup,
}

impl ScriptedHook {
    pub(crate) fn new(stage: &Weak<Stage>, setup: HookSetup) -> Self {
        Self { stage: stage.clone(), setup }
    }

    /// It is no destructor, and may panic while the thread does.
    fn act(&self, act: Act) {
        match self.stage.upgrade() {
            Some(stage) if act == Act::Panic && !std::thread::panicking() && stage.take_fuel() => {
                resume_unwind(Box::new("a hook"))
            }
            Some(stage) => stage.act(act),
            None => {}
        }
    }
}

impl Hook for ScriptedHook {
    type State = Option<Value>;

    fn on_call(&self) -> Option<Value> {
        self.act(self.setup.on_call);
        let setup = ValueSetup { dropped: self.setup.state_dropped, ..ValueSetup::default() };
        self.stage.upgrade().map(|stage| Value::new(&stage, None, setup))
    }

    fn on_resume(&self, _: &mut Option<Value>) {
        self.act(self.setup.on_resume);
    }

    fn on_suspend(&self, _: &mut Option<Value>) {
        self.act(self.setup.on_suspend);
    }
}
