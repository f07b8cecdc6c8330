//! The placement of stacks: far below every thread's stack.
//!
//! Code that estimates the remaining stack (`stacker`) subtracts the limit of the *thread's* stack from the stack
//! pointer. On a fiber's stack below that limit it finds nothing left and allocates more, which is slow but safe. Above
//! that limit it would see plenty, and overflow.

use std::{
    collections::hash_map::RandomState,
    hash::BuildHasher as _,
    io,
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::sys::Mapping;
use crate::raw::stack::stack_pointer;

/// The range lies above the addresses that executables at fixed addresses and the address sanitizer use, and below
/// those where the kernel places everything else. If the main thread's stack is unlimited, the kernel leaves it five
/// sixths of the addresses, and places other stacks downwards from there.
const LOWEST: usize = 0x1010_0000_0000;
const HIGHEST: usize = 0x1400_0000_0000;

/// Maps `len` bytes, at a low address if one is free.
pub(super) fn map(len: usize) -> io::Result<Mapping> {
    if !are_low() {
        return Mapping::new(len, None);
    }
    for _ in 0..16 {
        let place = next(len);
        let mapping = Mapping::new(len, Some(place))?;
        if mapping.start() == place {
            return Ok(mapping);
        }
        // The place is taken, or this machine has no such address.
        drop(mapping);
    }
    Mapping::new(len, None)
}

/// Whether the range is below the stacks of threads. Under valgrind all stacks are lower.
fn are_low() -> bool {
    static ARE_LOW: OnceLock<bool> = OnceLock::new();
    // The first fiber of a process begins on a thread's stack.
    *ARE_LOW.get_or_init(|| stack_pointer() > HIGHEST)
}

/// Returns consecutive places from an unpredictable start.
fn next(len: usize) -> usize {
    static NEXT: OnceLock<AtomicUsize> = OnceLock::new();
    let next = NEXT.get_or_init(|| AtomicUsize::new(random_start()));
    let after = |place: usize| Some(if place + 2 * len < HIGHEST { place + len } else { LOWEST });
    match next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, after) {
        Ok(place) | Err(place) => place,
    }
}

fn random_start() -> usize {
    // Aligned to whole huge pages, so that neighbours share page tables with nothing else.
    const ALIGNMENT: usize = 2 * 1024 * 1024;
    let random = RandomState::new().hash_one(0) as usize;
    // In the lower half of the range, which leaves much room behind it.
    LOWEST + random % ((HIGHEST - LOWEST) / 2) / ALIGNMENT * ALIGNMENT
}
