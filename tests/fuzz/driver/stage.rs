//! What all code of a script shares.

use std::{
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread::{self, ThreadId},
};

use tower_fiber::{FiberHandle, FiberLayer, FiberLayerBuilder, FiberService};

use super::{
    calls::Calls,
    gate::Gate,
    hook::{CARRIED, ScriptedHook},
    ledger::Ledger,
    script::{GATES, Host, LAYERS, LayerSetup, Policy},
    service::Served,
};

/// How much foreign code runs in one script.
const FUEL: u32 = 150;

/// Bytes of stack that foreign code is not to go below.
const MARGIN: usize = 192 * 1024;

pub(crate) struct Stage {
    pub(crate) host: Host,
    pub(crate) gates: [Gate; GATES],
    pub(crate) setups: [LayerSetup; LAYERS],
    pub(crate) layers: [FiberLayer; LAYERS],
    pub(crate) handles: [FiberHandle; LAYERS],
    pub(crate) closed: [AtomicBool; LAYERS],
    pub(crate) ledger: Ledger,
    pub(crate) calls: Calls,
    pub(crate) services: Mutex<Vec<Option<FiberService<Served>>>>,
    home: ThreadId,
    fuel: AtomicU32,
    /// Foreign code does nothing for a while.
    is_calm: AtomicBool,
}

impl Stage {
    pub(crate) fn new(host: Host, setups: [LayerSetup; LAYERS], builder: &FiberLayerBuilder) -> Arc<Self> {
        Arc::new_cyclic(|stage| {
            let layers = setups.each_ref().map(|setup| layer(stage, host, setup, builder.clone()));
            Self {
                host,
                gates: Default::default(),
                setups,
                handles: layers.each_ref().map(FiberLayer::handle),
                layers,
                closed: Default::default(),
                ledger: Ledger::default(),
                calls: Calls::default(),
                services: Mutex::default(),
                home: thread::current().id(),
                fuel: AtomicU32::new(FUEL),
                is_calm: AtomicBool::new(false),
            }
        })
    }

    pub(crate) fn gate(&self, gate: u8) -> &Gate {
        &self.gates[usize::from(gate) % GATES]
    }

    pub(crate) fn open(&self, gate: u8) {
        self.gate(gate).open();
    }

    /// How many fibers the layer may have.
    pub(crate) fn limit(&self, layer: usize) -> Option<usize> {
        limit(&self.setups[layer])
    }

    /// Whether this is the thread of the script, which keeps what is not `Send`.
    pub(crate) fn is_home(&self) -> bool {
        thread::current().id() == self.home
    }

    pub(crate) fn set_calm(&self, is_calm: bool) {
        self.is_calm.store(is_calm, Ordering::Relaxed);
    }

    /// From here on foreign code does nothing.
    pub(crate) fn end_fuel(&self) {
        self.fuel.store(0, Ordering::Relaxed);
    }

    /// Whether foreign code may do something now.
    pub(crate) fn take_fuel(&self) -> bool {
        if self.is_calm.load(Ordering::Relaxed) || tower_fiber::remaining_stack().is_some_and(|left| left < MARGIN) {
            return false;
        }
        self.fuel.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |fuel| fuel.checked_sub(1)).is_ok()
    }

    pub(crate) fn take_service(&self, service: u8) -> Option<(usize, FiberService<Served>)> {
        let mut services = self.services.lock().unwrap_or_else(PoisonError::into_inner);
        let there: Vec<_> = (0..services.len()).filter(|service| services[*service].is_some()).collect();
        let index = *there.get(usize::from(service) % there.len().max(1))?;
        Some((index, services[index].take()?))
    }

    pub(crate) fn put_service(&self, index: Option<usize>, service: FiberService<Served>) {
        let mut services = self.services.lock().unwrap_or_else(PoisonError::into_inner);
        match index {
            Some(index) => services[index] = Some(service),
            None => services.push(Some(service)),
        }
    }
}

pub(crate) fn limit(setup: &LayerSetup) -> Option<usize> {
    Some(usize::from(setup.limit % 4)).filter(|limit| *limit > 0)
}

fn layer(stage: &Weak<Stage>, host: Host, setup: &LayerSetup, mut builder: FiberLayerBuilder) -> FiberLayer {
    builder = builder.on_drop(setup.policy.into());
    if let Some(limit) = limit(setup) {
        builder = builder.max_fibers(limit);
    }
    if setup.has_grace && setup.policy != Policy::Finish && host.has_clock() {
        builder = builder.grace(std::time::Duration::from_millis(10));
    }
    if setup.carries {
        builder = builder.carry(&CARRIED);
    }
    for hook in &setup.hooks {
        builder = builder.hook(ScriptedHook::new(stage, *hook));
    }
    builder.build().expect("the settings of a script are valid")
}
