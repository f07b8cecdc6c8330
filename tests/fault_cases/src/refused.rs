//! Filters of system calls, as sandboxes have them.

use std::mem::offset_of;

const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
const EQUALS: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const RETURN: u32 = libc::BPF_RET | libc::BPF_K;

fn step(code: u32, jt: u8, jf: u8, k: u32) -> libc::sock_filter {
    libc::sock_filter { code: code as u16, jt, jf, k }
}

/// Refuses `madvise` from now on, for all advice or for one.
///
/// # Panics
///
/// If there can be no filter.
pub(crate) fn refuse_madvise(advice: Option<u32>) {
    const REFUSE: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
    // The lower half of the third argument.
    let argument = offset_of!(libc::seccomp_data, args) + 2 * size_of::<u64>();
    // Without an advice both outcomes of the second question refuse.
    let other = if advice.is_some() { 1 } else { 0 };
    install(vec![
        step(LOAD, 0, 0, offset_of!(libc::seccomp_data, nr) as u32),
        step(EQUALS, 0, 3, libc::SYS_madvise as u32),
        step(LOAD, 0, 0, argument as u32),
        step(EQUALS, 0, other, advice.unwrap_or_default()),
        step(RETURN, 0, 0, REFUSE),
        step(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW),
    ]);
}

/// Ends the process at its next system call, unless that writes, ends the process, or reads a clock which this machine
/// can only read so.
///
/// # Panics
///
/// If there can be no filter.
pub(crate) fn end_at_system_calls() {
    let allowed = [libc::SYS_write, libc::SYS_exit_group, libc::SYS_clock_gettime];
    let mut steps = vec![step(LOAD, 0, 0, offset_of!(libc::seccomp_data, nr) as u32)];
    for call in allowed {
        steps.extend([step(EQUALS, 0, 1, call as u32), step(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW)]);
    }
    steps.push(step(RETURN, 0, 0, libc::SECCOMP_RET_KILL_PROCESS));
    install(steps);
}

/// For all threads that there are.
fn install(mut steps: Vec<libc::sock_filter>) {
    let program = libc::sock_fprog { len: steps.len() as u16, filter: steps.as_mut_ptr() };
    // SAFETY: it takes and gives plain numbers.
    let result = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    assert_eq!(result, 0);
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
