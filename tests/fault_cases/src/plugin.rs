//! A library that a program loads while it runs. Calls of libc's do not lead to its copy of the crate.
#![cfg(target_os = "linux")]

use std::ffi::{CString, c_char};

use tower_fiber::FiberLayer;

/// Asks for interposition. The text of the error, or an empty one, which the caller has to free.
#[unsafe(no_mangle)]
pub extern "C" fn plugin_interposes() -> *mut c_char {
    let built = FiberLayer::builder().interpose().build();
    let text = built.map_or_else(|error| error.to_string(), |_| String::new());
    CString::new(text).expect("it has no zeros").into_raw()
}
