//! Async functions made plain.

use tower_fiber::{block_on_waits, run_in_fiber, synchronize};

async fn none() -> u32 {
    tokio::task::yield_now().await;
    1
}

async fn two(name: String, n: usize) -> String {
    tokio::task::yield_now().await;
    name.repeat(n)
}

#[expect(clippy::too_many_arguments, reason = "the largest number that `synchronize` takes")]
async fn eight(a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8, h: u8) -> [u8; 8] {
    tokio::task::yield_now().await;
    [a, b, c, d, e, f, g, h]
}

fn legacy(repeat: &dyn Fn(String, usize) -> String) -> String {
    repeat("ab".to_owned(), 2)
}

#[tokio::test]
async fn functions_of_0_to_8_arguments() {
    run_in_fiber(|| {
        assert_eq!(synchronize(none)(), 1);
        assert_eq!(synchronize(|n: u32| async move { n + 1 })(1), 2);
        assert_eq!(synchronize(two)("x".to_owned(), 3), "xxx");
        assert_eq!(synchronize(eight)(1, 2, 3, 4, 5, 6, 7, 8), [1, 2, 3, 4, 5, 6, 7, 8]);
    })
    .await;
}

#[test]
fn the_plain_function_can_be_kept_and_called_anywhere() {
    let repeat = synchronize(two);
    assert_eq!(block_on_waits(|| legacy(&repeat)), "abab");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert_eq!(runtime.block_on(run_in_fiber(move || legacy(&repeat))), "abab");
}

#[test]
fn outside_a_fiber_it_says_what_to_do() {
    let plain = synchronize(none);
    let payload = std::panic::catch_unwind(std::panic::AssertUnwindSafe(plain)).unwrap_err();
    assert!(payload.downcast_ref::<String>().unwrap().contains("run_in_fiber"));
}
