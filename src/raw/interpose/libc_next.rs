//! The libc functions behind those of the crate, for what is more than a system call.

use std::{
    ffi::{CStr, c_void},
    mem, ptr,
    sync::atomic::{AtomicPtr, Ordering},
};

/// A libc function by its name, looked up once.
pub(super) struct Next {
    name: &'static CStr,
    found: AtomicPtr<c_void>,
}

impl Next {
    pub(super) const fn new(name: &'static CStr) -> Self {
        Self { name, found: AtomicPtr::new(ptr::null_mut()) }
    }

    /// The function behind the crate's own.
    ///
    /// # Safety
    ///
    /// `F` is the type of a pointer to that function.
    pub(super) unsafe fn get<F: Copy>(&self) -> F {
        const { assert!(size_of::<F>() == size_of::<*mut c_void>()) };
        let mut found = self.found.load(Ordering::Relaxed);
        if found.is_null() {
            // SAFETY: invariant 17: the name ends with a zero; the handle means the objects behind this one.
            found = unsafe { libc::dlsym(libc::RTLD_NEXT, self.name.as_ptr()) };
            assert!(!found.is_null(), "libc has no {}", self.name.to_string_lossy());
            self.found.store(found, Ordering::Relaxed);
        }
        // SAFETY: invariant 17: the symbol is a function, of the type that the caller names.
        unsafe { mem::transmute_copy(&found) }
    }
}
