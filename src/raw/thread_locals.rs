//! Finds and reads the executable's thread-locals.

use std::{cell::Cell, iter, mem, ops::Range, ptr, slice};

use libc::{c_int, c_void, dl_phdr_info, size_t};

thread_local! {
    // Constant and without a destructor: it lies in the executable's own block and always has an address.
    static PROBE: Cell<usize> = const { Cell::new(0) };
}

/// Parts of the path of `PROBE`'s symbol.
pub(crate) const PROBE_PATH: [&str; 2] = ["tower_fiber::", "::thread_locals::PROBE"];

/// The executable's own thread-locals, without those of its dynamic libraries: one block on each thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// The offset of the probe in the block, in bytes.
    probe: usize,
    len: usize,
}

impl Block {
    /// The block and its initial contents. `None` if this crate is not in the executable but in a dynamic library.
    pub(crate) fn find() -> Option<(Self, Box<[u8]>)> {
        let mut found = None::<(Self, Box<[u8]>)>;
        // SAFETY: invariant 15: the system calls `look_at` before this returns, and gives it the pointer to `found`.
        unsafe { libc::dl_iterate_phdr(Some(look_at), (&raw mut found).cast()) };
        found
    }

    /// The offset of the probe in the block.
    pub(crate) fn probe(self) -> usize {
        self.probe
    }

    pub(crate) fn len(self) -> usize {
        self.len
    }

    /// The bytes of this thread's block in `range`, each read when the iterator reaches it.
    ///
    /// # Panics
    ///
    /// If the range goes beyond the block.
    pub(crate) fn bytes(self, range: Range<usize>) -> impl Iterator<Item = u8> {
        assert!(range.end <= self.len, "{range:?} of {} bytes", self.len);
        range.map(move |offset| {
            // Computed anew for each byte, so that it is the block of the thread that takes the byte.
            let start = address_of_probe() - self.probe;
            // SAFETY: invariant 15: this thread's block begins there, and the range ends within it.
            unsafe { read(start + offset) }
        })
    }
}

fn address_of_probe() -> usize {
    PROBE.with(|probe| ptr::from_ref(probe).expose_provenance())
}

/// The byte at an address.
///
/// # Safety
///
/// It lies in this thread's block or in the image (invariant 15).
unsafe fn read(address: usize) -> u8 {
    // SAFETY: invariant 15: the caller vouches that it is one of those bytes.
    unsafe { ptr::with_exposed_provenance::<u8>(address).read_volatile() }
}

/// Describes the first object that the system reports, which is the executable.
unsafe extern "C" fn look_at(info: *mut dl_phdr_info, size: size_t, found: *mut c_void) -> c_int {
    if size >= mem::size_of::<dl_phdr_info>() {
        // SAFETY: invariant 15: the system passes the description of the object, with all fields, and leaves it alone
        // during this call.
        let info = unsafe { &*info };
        // SAFETY: invariant 15: it is the pointer that `find` has passed, and `find` reads it only later.
        unsafe { found.cast::<Option<(Block, Box<[u8]>)>>().write(describe(info)) };
    }
    // Ends the iteration: the other objects are not needed.
    1
}

fn describe(info: &dl_phdr_info) -> Option<(Block, Box<[u8]>)> {
    // SAFETY: invariant 15: the system says where the headers are and how many, and they stay for the life of the
    // program.
    let headers = unsafe { slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into()) };
    let header = headers.iter().find(|header| header.p_type == libc::PT_TLS)?;
    let (len, filled) = (usize::try_from(header.p_memsz).ok()?, usize::try_from(header.p_filesz).ok()?);
    // Null on systems that do not report it.
    let start = Some(info.dlpi_tls_data.expose_provenance()).filter(|start| *start != 0)?;
    let probe = address_of_probe().checked_sub(start).filter(|probe| *probe < len)?;
    let image = usize::try_from(info.dlpi_addr).ok()?.wrapping_add(usize::try_from(header.p_vaddr).ok()?);
    // A thread's block starts as a copy of the segment, with zeros for the rest.
    // SAFETY: invariant 15: the image is as long as the header says.
    let begins = (0..filled).map(|offset| unsafe { read(image.wrapping_add(offset)) });
    let zeros = iter::repeat_n(0, len.checked_sub(filled)?);
    Some((Block { probe, len }, begins.chain(zeros).collect()))
}
