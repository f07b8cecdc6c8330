//! All layers of the process.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, Weak},
};

use super::{Shared, id::LayerId};
use crate::util::lock::lock;

#[derive(Default)]
struct Layers {
    known: HashMap<LayerId, Weak<Shared>>,
    /// Whether a dump or the insight page observes all layers.
    are_observed: bool,
}

fn layers<R>(f: impl FnOnce(&mut Layers) -> R) -> R {
    static LAYERS: Mutex<Option<Layers>> = Mutex::new(None);
    let mut layers: MutexGuard<'static, _> = lock(&LAYERS);
    f(layers.get_or_insert_default())
}

pub(super) fn register(shared: &Arc<Shared>) {
    layers(|layers| {
        layers.known.insert(shared.id, Arc::downgrade(shared));
        if layers.are_observed {
            shared.observe();
        }
    });
}

pub(super) fn forget(id: LayerId) {
    layers(|layers| layers.known.remove(&id));
}

impl Shared {
    /// The data of a layer, unless the layer is gone.
    pub(super) fn of(id: LayerId) -> Option<Arc<Self>> {
        layers(|layers| layers.known.get(&id)?.upgrade())
    }
}

/// The data of all layers, the oldest first.
#[cfg(any(feature = "insight", all(feature = "signal", unix)))]
pub(crate) fn all_layers() -> Vec<Arc<Shared>> {
    // The last reference to one may be among these, so that they are dropped after the unlocking.
    let mut all = layers(|layers| layers.known.values().filter_map(Weak::upgrade).collect::<Vec<_>>());
    all.sort_by_key(|shared| shared.id);
    all
}

/// Lets a dump or the insight page observe the fibers of all layers, including layers that are made later.
#[cfg(any(feature = "insight", all(feature = "signal", unix)))]
pub(crate) fn observe_all_layers() {
    let known = layers(|layers| {
        let is_first = !std::mem::replace(&mut layers.are_observed, true);
        let known = layers.known.values().filter(|_| is_first);
        known.filter_map(Weak::upgrade).collect::<Vec<_>>()
    });
    known.iter().for_each(|shared| shared.observe());
}
