//! Where a script runs.

use super::bytes::{Code, Reader};

/// Where the calls run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Host {
    /// In a task of a current-thread runtime.
    #[default]
    Task,
    /// In the `block_on` of one.
    Block,
    /// In a `LocalSet` of a multi-thread runtime.
    Set,
    /// On a pool of two workers.
    Pool,
}

impl Host {
    /// Whether its clock can be moved. Otherwise it ticks.
    pub(crate) fn has_clock(self) -> bool {
        self != Self::Set
    }

    /// Whether calls run on other threads, in no foreseeable order.
    pub(crate) fn is_elsewhere(self) -> bool {
        self == Self::Pool
    }
}

impl Code for Host {
    fn read(from: &mut Reader<'_>) -> Self {
        // Seldom on the pool: what happens there takes longer, and not the same way each time.
        match from.byte() {
            0..=119 => Self::Task,
            120..=189 => Self::Block,
            190..=249 => Self::Set,
            250.. => Self::Pool,
        }
    }

    fn write(&self, to: &mut Vec<u8>) {
        to.push([0, 120, 190, 250][*self as usize]);
    }
}
