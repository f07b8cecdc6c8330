//! The smallest program: an async function made plain, called by a normal function, inside an async parent.
//!
//! ```text
//! $ cargo run --example seed
//! normal function: I need the task
//! task: running
//! task: done after 0.2 s
//! normal function: got 42
//! parent: all done
//! ```

use std::time::{Duration, Instant};

use tower_fiber::{run_in_fiber, synchronize};

/// An ordinary async function.
async fn task(n: u32) -> u32 {
    println!("task: running");
    let begun = Instant::now();
    tokio::time::sleep(Duration::from_millis(200)).await;
    println!("task: done after {:.1} s", begun.elapsed().as_secs_f64());
    n * 2
}

/// An ordinary function: it cannot `.await`, and calls the task as if it were plain.
fn normal_function() {
    let task = synchronize(task);
    println!("normal function: I need the task");
    let result = task(21);
    println!("normal function: got {result}");
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    run_in_fiber(normal_function).await;
    println!("parent: all done");
}
