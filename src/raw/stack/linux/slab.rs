//! One large mapping, cut into slots of a guard and a stack each.

use std::{io, mem};

use corosensei::stack::valgrind::ValgrindStackRegistration;

use super::{
    guard::{self, Kind},
    place,
    sys::Mapping,
};

/// The largest size of one slab, in bytes of address space.
const MAX_BYTES: usize = 8 * 1024 * 1024 * 1024;

#[derive(Debug)]
pub(super) struct Slab {
    mapping: Mapping,
    guards: Kind,
    /// How many of its guards are of the protected kind.
    protected: usize,
    /// Bytes of a stack without its guard.
    size: usize,
    slots: usize,
    /// Slots below this number have been used.
    carved: usize,
    /// Free slots that have a guard.
    free: Vec<u32>,
    /// Slots that have been used and have no guard now.
    bare: Vec<u32>,
    /// One for each slot that has been used.
    valgrind: Vec<ValgrindStackRegistration>,
}

impl Slab {
    /// Maps a slab of `slots` slots, or a smaller one if the address space does not suffice. A smaller one leaves
    /// `spare` bytes to the rest of the process.
    pub(super) fn map(size: usize, slots: usize, spare: usize) -> io::Result<Self> {
        let stride = guard::SIZE + size;
        let mut slots = slots.clamp(1, (MAX_BYTES / stride).max(1));
        let mut mapped = place::map(slots * stride);
        loop {
            match mapped {
                Ok(mapping) => return Ok(Self::new(mapping, size, slots)),
                Err(error) if slots == 1 => {
                    let text = format!(
                        "no memory for one more stack of {} KiB ({error}): raise the limit of the address space (`ulimit -v`), or \
                         choose a smaller `stack_size` or a `max_fibers`",
                        size / 1024
                    );
                    return Err(io::Error::new(error.kind(), text));
                }
                Err(_) => slots /= 2,
            }
            mapped = place::map(slots * stride).and_then(|mapping| mapping.with_room(spare));
        }
    }

    fn new(mapping: Mapping, size: usize, slots: usize) -> Self {
        let guards = Kind::probe(&mapping);
        Self {
            mapping,
            guards,
            protected: 0,
            size,
            slots,
            carved: 0,
            free: Vec::new(),
            bare: Vec::new(),
            valgrind: Vec::new(),
        }
    }

    pub(super) fn slots(&self) -> usize {
        self.slots
    }

    /// The upper end of a free stack.
    pub(super) fn take(&mut self) -> Option<usize> {
        self.free.pop().map(|slot| self.base(slot))
    }

    /// Makes a slot with its guard and returns the upper end of its stack; `None` if no slot is left.
    pub(super) fn carve(&mut self, reserve: bool) -> Option<io::Result<usize>> {
        let slot = match self.bare.pop() {
            Some(slot) => slot,
            None if self.carved < self.slots => self.carved as u32,
            None => return None,
        };
        let offset = self.offset(slot);
        match self.guards.install(&self.mapping, offset, reserve) {
            Ok(Kind::Protected) => self.protected += 1,
            Ok(Kind::Markers) => {}
            Err(error) => {
                if (slot as usize) < self.carved {
                    self.bare.push(slot);
                }
                return Some(Err(error));
            }
        }
        let base = self.base(slot);
        if slot as usize == self.carved {
            self.carved += 1;
            let lowest = base - self.size;
            self.valgrind.push(ValgrindStackRegistration::new(std::ptr::without_provenance_mut(lowest), self.size));
        }
        Some(Ok(base))
    }

    /// Takes a slot back if it belongs to this slab.
    pub(super) fn put(&mut self, base: usize) -> bool {
        // The upper end of the last stack is also that of the mapping.
        let is_mine = self.mapping.contains(base - 1);
        if is_mine {
            let slot = (base - self.mapping.start()) / self.stride() - 1;
            self.free.push(slot as u32);
        }
        is_mine
    }

    /// Removes the guard of a free slot, so that another slab can have one.
    pub(super) fn bare(&mut self) -> bool {
        if self.guards != Kind::Protected {
            return false;
        }
        let Some(slot) = self.free.pop() else { return false };
        let is_removed = guard::remove(&self.mapping, self.offset(slot));
        if is_removed {
            self.protected -= 1;
            self.bare.push(slot);
        } else {
            self.free.push(slot);
        }
        is_removed
    }

    pub(super) fn has_idle(&self) -> bool {
        !self.free.is_empty()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.free.len() + self.bare.len() == self.carved
    }

    /// How many slots may have memory behind them.
    pub(super) fn carved(&self) -> usize {
        self.carved
    }

    fn stride(&self) -> usize {
        guard::SIZE + self.size
    }

    /// The offset of a slot's guard in the mapping.
    fn offset(&self, slot: u32) -> usize {
        slot as usize * self.stride()
    }

    fn base(&self, slot: u32) -> usize {
        self.mapping.start() + self.offset(slot) + self.stride()
    }
}

impl Drop for Slab {
    fn drop(&mut self) {
        drop(mem::take(&mut self.valgrind));
        guard::unmapped(self.protected);
    }
}
