//! Only an async function has to be made plain.

use tower_fiber::synchronize;

fn answer() -> u32 {
    42
}

fn main() {
    let _ = synchronize(answer);
}
