//! Where stacks lie: far below every thread's stack.
//!
//! Code that guesses how much stack is left (`stacker`) subtracts the limit of the *thread's* stack from the stack
//! pointer. Below that limit it finds nothing left and takes more, which is slow and safe. Above it would see plenty,
//! and overflow.

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

/// Above what executables at fixed addresses use and what the address sanitizer has for itself; below where the kernel
/// puts everything else. Without a limit on the stack of the main thread it leaves that five sixths of the addresses,
/// and places other stacks downwards from there.
const LOWEST: usize = 0x1010_0000_0000;
const HIGHEST: usize = 0x1400_0000_0000;

/// Maps `len` bytes at a low address if one can be had.
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
        // Something is there, or there is no such address on this machine.
        drop(mapping);
    }
    Mapping::new(len, None)
}

/// Whether those addresses are below the stacks of threads. Under valgrind all stacks are lower.
fn are_low() -> bool {
    static ARE_LOW: OnceLock<bool> = OnceLock::new();
    // The first fiber of a process begins on a thread's stack.
    *ARE_LOW.get_or_init(|| stack_pointer() > HIGHEST)
}

/// One behind the other, from a start that cannot be guessed.
fn next(len: usize) -> usize {
    static NEXT: OnceLock<AtomicUsize> = OnceLock::new();
    let next = NEXT.get_or_init(|| AtomicUsize::new(random_start()));
    let after = |place: usize| Some(if place + 2 * len < HIGHEST { place + len } else { LOWEST });
    match next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, after) {
        Ok(place) | Err(place) => place,
    }
}

fn random_start() -> usize {
    // To whole huge pages: page tables of neighbours are not shared with anything else.
    const ALIGNMENT: usize = 2 * 1024 * 1024;
    let random = RandomState::new().hash_one(0) as usize;
    // In the lower half of the range, so that much is left behind it.
    LOWEST + random % ((HIGHEST - LOWEST) / 2) / ALIGNMENT * ALIGNMENT
}
