//! Each argument is a case that makes one fault; the files in tests look at how the process ends.

#[cfg(target_os = "linux")]
mod allocator;
#[cfg(target_os = "linux")]
mod blocked;
#[cfg(target_os = "linux")]
mod cases;
#[cfg(target_os = "linux")]
#[path = "../../support/events.rs"]
mod events;
#[cfg(target_os = "linux")]
mod handlers;
#[cfg(target_os = "linux")]
mod interposed;
#[cfg(target_os = "linux")]
mod memory;
#[cfg(target_os = "linux")]
mod refused;
#[cfg(target_os = "linux")]
#[path = "../../support/system.rs"]
mod system;

// Cargo links the C code of the package to its library.
use plugin as _;

#[cfg(target_os = "linux")]
#[global_allocator]
static ALLOCATOR: allocator::Allocator = allocator::Allocator;

#[cfg(target_os = "linux")]
fn main() {
    let name = std::env::args().nth(1).expect("the name of a case");
    cases::run(&name);
    println!("the end");
}

#[cfg(not(target_os = "linux"))]
fn main() {}
