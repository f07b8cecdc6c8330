//! Filters of system calls, as sandboxes have them.

use std::mem::offset_of;

/// Refuses `madvise` from now on, for all advice or for one.
///
/// # Panics
///
/// If there can be no filter.
pub(crate) fn refuse_madvise(advice: Option<u32>) {
    const REFUSE: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
    let (load, equals) = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K);
    let step = |code: u32, jt, jf, k| libc::sock_filter { code: code as u16, jt, jf, k };
    // The lower half of the third argument.
    let argument = offset_of!(libc::seccomp_data, args) + 2 * size_of::<u64>();
    // Without an advice both outcomes of the second question refuse.
    let other = if advice.is_some() { 1 } else { 0 };
    let mut steps = [
        step(load, 0, 0, offset_of!(libc::seccomp_data, nr) as u32),
        step(equals, 0, 3, libc::SYS_madvise as u32),
        step(load, 0, 0, argument as u32),
        step(equals, 0, other, advice.unwrap_or_default()),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, REFUSE),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: steps.len() as u16, filter: steps.as_mut_ptr() };
    // SAFETY: it takes and gives plain numbers.
    let result = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    assert_eq!(result, 0);
    // All threads that there are.
    // SAFETY: the kernel reads the program, which is there until the call has returned.
    let result = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_TSYNC,
            &raw const program,
        )
    };
    assert_eq!(result, 0, "no filter: {}", std::io::Error::last_os_error());
}
