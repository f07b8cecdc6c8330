//! The system calls behind stacks.

use std::{
    fs, io,
    ptr::{self, NonNull},
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicI32, Ordering},
    },
};

/// Turns pages into guards without splitting their mapping (Linux 6.13).
const MADV_GUARD_INSTALL: libc::c_int = 102;

pub(super) fn page_size() -> usize {
    static PAGE_SIZE: OnceLock<usize> = OnceLock::new();
    *PAGE_SIZE.get_or_init(|| {
        // SAFETY: invariant 12: the call takes and returns plain numbers.
        let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        usize::try_from(size).ok().filter(|size| size.is_power_of_two()).unwrap_or(4096)
    })
}

/// How many mappings the system allows this process.
pub(super) fn max_mappings() -> usize {
    const USUAL: usize = 65_530;
    let text = fs::read_to_string("/proc/sys/vm/max_map_count");
    text.ok().and_then(|text| text.trim().parse().ok()).unwrap_or(USUAL)
}

/// Whether a sanitizer is linked in. It tracks the address space, and unmapping a stack would upset that.
pub(super) fn is_sanitized() -> bool {
    static IS_SANITIZED: OnceLock<bool> = OnceLock::new();
    *IS_SANITIZED.get_or_init(|| {
        [c"__asan_init", c"__tsan_init", c"__msan_init"].iter().any(|name| {
            // SAFETY: invariant 12: the name is a string that ends in NUL, and the result is only compared.
            let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
            !found.is_null()
        })
    })
}

/// The system's code of the first error in marking a guard, or zero.
static MARKS_REFUSED: AtomicI32 = AtomicI32::new(0);

/// The reason why guards cannot be marked, returned only once.
pub(super) fn news_of_marks() -> Option<io::Error> {
    static IS_TOLD: AtomicBool = AtomicBool::new(false);
    let code = MARKS_REFUSED.load(Ordering::Relaxed);
    let is_news = code != 0 && !IS_TOLD.load(Ordering::Relaxed) && !IS_TOLD.swap(true, Ordering::Relaxed);
    is_news.then(|| io::Error::from_raw_os_error(code))
}

/// Private memory of this process: readable, writable, and backed by pages only once it is touched.
#[derive(Debug)]
pub(super) struct Mapping {
    start: NonNull<libc::c_void>,
    len: usize,
}

// SAFETY: invariant 12: a mapping belongs to the process, not to a thread.
unsafe impl Send for Mapping {}

impl Mapping {
    /// Maps `len` bytes, at `place` if that is free and elsewhere if not.
    pub(super) fn new(len: usize, place: Option<usize>) -> io::Result<Self> {
        let hint = place.map_or(ptr::null_mut(), ptr::without_provenance_mut);
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_STACK;
        // SAFETY: invariant 12: without MAP_FIXED a mapping of fresh memory replaces nothing.
        let start = unsafe { libc::mmap(hint, len, protection, flags, -1, 0) };
        if start == libc::MAP_FAILED {
            return Err(unmappable(io::Error::last_os_error()));
        }
        let start = NonNull::new(start).ok_or(io::ErrorKind::OutOfMemory)?;
        let mapping = Self { start, len };
        // MAP_STACK implies this since Linux 6.7. A kernel without huge pages refuses it and does not need it.
        _ = mapping.advise(0, len, libc::MADV_NOHUGEPAGE);
        Ok(mapping)
    }

    /// Unmaps it unless there is room for `spare` more bytes.
    pub(super) fn with_room(self, spare: usize) -> io::Result<Self> {
        if spare > 0 { Self::new(spare, None).map(|_spare| self) } else { Ok(self) }
    }

    pub(super) fn start(&self) -> usize {
        self.start.addr().get()
    }

    pub(super) fn end(&self) -> usize {
        self.start() + self.len
    }

    pub(super) fn contains(&self, address: usize) -> bool {
        (self.start()..self.end()).contains(&address)
    }

    /// Makes the `len` bytes from `offset` a guard without splitting the mapping.
    pub(super) fn mark_guard(&self, offset: usize, len: usize) -> io::Result<()> {
        self.advise(offset, len, MADV_GUARD_INSTALL).inspect_err(|error| {
            let none = MARKS_REFUSED.load(Ordering::Relaxed) == 0;
            if let Some(code) = error.raw_os_error().filter(|_| none) {
                MARKS_REFUSED.store(code, Ordering::Relaxed);
            }
        })
    }

    /// Whether no page of the `len` bytes from `offset` can be read, as the system finds by trying.
    pub(super) fn is_guarded(&self, offset: usize, len: usize) -> bool {
        (offset..offset + len).step_by(page_size()).all(|page| {
            let read = self.advise(page, page_size(), libc::MADV_POPULATE_READ);
            read.is_err_and(|error| error.raw_os_error() == Some(libc::EFAULT))
        })
    }

    /// Makes the `len` bytes from `offset` a guard, or memory again. Each guard splits the mapping into two more.
    pub(super) fn protect(&self, offset: usize, len: usize, is_guard: bool) -> io::Result<()> {
        let protection = if is_guard { libc::PROT_NONE } else { libc::PROT_READ | libc::PROT_WRITE };
        // SAFETY: invariant 8: guards are only made and removed in free slots.
        let result = unsafe { libc::mprotect(self.at(offset, len), len, protection) };
        outcome(result)
    }

    fn advise(&self, offset: usize, len: usize, advice: libc::c_int) -> io::Result<()> {
        // SAFETY: invariant 8: the advice is about huge pages, or makes a guard in a free slot, or has the kernel touch
        // its pages as a read would, which changes no byte of it.
        let result = unsafe { libc::madvise(self.at(offset, len), len, advice) };
        outcome(result)
    }

    fn at(&self, offset: usize, len: usize) -> *mut libc::c_void {
        assert!(offset.checked_add(len).is_some_and(|end| end <= self.len), "outside of the mapping");
        self.start.as_ptr().wrapping_byte_add(offset)
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        if is_sanitized() {
            return;
        }
        // SAFETY: invariant 8: the code that drops a mapping has all of its slots.
        let result = unsafe { libc::munmap(self.start.as_ptr(), self.len) };
        debug_assert_eq!(result, 0);
    }
}

/// Whether the kernel has refused to take pages back, as it does with locked ones (`mlockall`).
static ARE_PAGES_KEPT: AtomicBool = AtomicBool::new(false);

pub(super) fn are_pages_kept() -> bool {
    ARE_PAGES_KEPT.load(Ordering::Relaxed)
}

/// Gives the pages between two addresses back; they read as zero when they are touched again. `false` if the kernel
/// does not take them, which leaves them as they were.
///
/// # Safety
///
/// The pages belong to mappings of this module, with none of others between them, and their contents are no longer in
/// use. Guards between them stay.
pub(super) unsafe fn discard(from: usize, to: usize) -> bool {
    let start = ptr::with_exposed_provenance_mut::<libc::c_void>(from);
    // SAFETY: invariant 8: the caller has the slots, so the contents of their pages are not missed.
    let result = unsafe { libc::madvise(start, to - from, libc::MADV_DONTNEED) };
    if result != 0 {
        ARE_PAGES_KEPT.store(true, Ordering::Relaxed);
    }
    result == 0
}

/// Whether something other than zero lies in the 64 bytes below an address.
///
/// # Safety
///
/// They lie in a slot that the caller has, and the address is a multiple of the size of a word.
// Never inlined, since `.ci/valgrind.supp` names it: to valgrind, what lies below a stack pointer is not to be read.
#[inline(never)]
pub(super) unsafe fn is_used(address: usize) -> bool {
    let add = |bits: usize, word: *mut usize| {
        // SAFETY: invariant 8: the caller has the slot, which is mapped memory that the kernel filled with zeros at
        // first.
        bits | unsafe { word.read_volatile() }
    };
    // A sanitizer may report that dead frames are read. All words are read, which is cheaper than to look at each.
    !is_sanitized() && words(address - 64, address).fold(0, add) != 0
}

/// Makes all bytes between two addresses zero. It writes nothing where zeros are, so pages that were never touched stay
/// untouched.
///
/// # Safety
///
/// As for [`discard`]; both addresses are multiples of the size of a word.
pub(super) unsafe fn overwrite(from: usize, to: usize) {
    for word in words(from, to) {
        // SAFETY: invariant 8: the caller has the slot, which is mapped memory that the kernel filled with zeros at
        // first.
        let value = unsafe { word.read_volatile() };
        if value != 0 {
            // SAFETY: invariant 8: as for the read, and the contents are no longer in use.
            unsafe { word.write_volatile(0) };
        }
    }
}

/// The lowest page between two addresses that is not all zeros, or `to`.
///
/// # Safety
///
/// As for [`overwrite`].
pub(super) unsafe fn lowest_used(from: usize, to: usize) -> usize {
    let is_used = |word: &*mut usize| {
        // SAFETY: invariant 8: the caller has the slot, which is mapped memory that the kernel filled with zeros at
        // first.
        let value = unsafe { word.read_volatile() };
        value != 0
    };
    let first = words(from, to).find(is_used);
    first.map_or(to, |word| word.addr() & !(page_size() - 1))
}

fn words(from: usize, to: usize) -> impl Iterator<Item = *mut usize> {
    (from..to).step_by(size_of::<usize>()).map(ptr::with_exposed_provenance_mut)
}

/// The lowest page between two addresses that is in memory, or `to`.
pub(super) fn lowest_resident(from: usize, to: usize) -> usize {
    let page = page_size();
    let mut pages = vec![0_u8; (to - from) / page];
    let start = ptr::without_provenance_mut::<libc::c_void>(from);
    // SAFETY: invariant 12: the kernel writes a byte for each page into the vector, and reads nothing of the range.
    let result = unsafe { libc::mincore(start, to - from, pages.as_mut_ptr()) };
    let first = if result == 0 { pages.iter().position(|page| page & 1 == 1) } else { None };
    first.map_or(to, |index| from + index * page)
}

/// Under `mlockall(MCL_FUTURE)` mappings have a limit of their own.
fn unmappable(error: io::Error) -> io::Error {
    if error.raw_os_error() == Some(libc::EAGAIN) {
        let text =
            format!("{error}: all memory is locked, and the limit of that is reached, RLIMIT_MEMLOCK (`ulimit -l`)");
        return io::Error::new(error.kind(), text);
    }
    error
}

fn outcome(result: libc::c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
