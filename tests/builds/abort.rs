//! A build with `panic = "abort"`, in which nothing can be unwound: no drop may end the process.

use std::{path::Path, process::Command};

use crate::child;

#[test]
fn panic_abort_build_every_policy_dropped_while_waiting() {
    // A target directory of its own, so that it does not wait for the build that runs this test.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("abort");
    let build = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "-p", "abort-cases", "--profile", "abort", "--target-dir"])
        .arg(&target)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        // The flags of a sanitizer's build are not for this one.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .output()
        .unwrap();
    assert!(build.status.success(), "{build:?}");
    let program = target.join("abort").join("abort-cases");
    let output = child::in_time("abort-cases", child::shell("", &program)).0;
    let expected = "\
Finish pooled=false: refused=0 dropped=1 cancelled=0 leaked=0
Finish pooled=true: refused=0 dropped=1 cancelled=0 leaked=0
Cancel pooled=false: refused=2 dropped=1 cancelled=1 leaked=0
Cancel pooled=true: refused=2 dropped=1 cancelled=1 leaked=0
Unwind pooled=false: refused=2 dropped=1 cancelled=1 leaked=0
Unwind pooled=true: refused=2 dropped=1 cancelled=1 leaked=0
LocalFiber, infallible: dropped=0
LocalFiber, fallible: dropped=1
";
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(printed, expected, "{output:?}");
}
