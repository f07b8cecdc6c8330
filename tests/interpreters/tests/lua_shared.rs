//! Lua scripts whose functions wait. A `Lua` has one stack of calls: what two fibers put there must not be mixed.

use std::sync::Arc;

use interpreters::{fetch, findings, interleaves, is_refused};
use mlua::{Error, Lua};
use tokio::sync::Mutex;
use tower_fiber::{WaitExt as _, offload};

fn interpreter() -> Lua {
    let lua = Lua::new();
    let fetch = lua.create_function(|_, turns| fetch(turns).map_err(Error::external)).unwrap();
    lua.globals().set("fetch", fetch).unwrap();
    lua
}

/// Waits twice, in the middle of the script.
fn run(lua: &Lua, first: u64, second: u64) -> mlua::Result<(u64, u64)> {
    lua.load(format!("local a = fetch({first}); local b = fetch({second}); return a, b")).eval()
}

#[test]
fn an_interpreter_for_each_call() {
    interleaves(|first, second| run(&interpreter(), first, second).unwrap());
}

#[test]
fn one_that_is_locked_for_the_whole_call() {
    let lua = Arc::new(Mutex::new(interpreter()));
    interleaves(move |first, second| run(&lua.lock().wait(), first, second).unwrap());
}

#[test]
fn one_on_other_threads() {
    // It has a lock of its own, which threads wait for.
    let lua = Arc::new(interpreter());
    interleaves(move |first, second| {
        let lua = Arc::clone(&lua);
        offload(move || run(&lua, first, second).unwrap())
    });
}

#[test]
fn lua_shared() {
    let lua = Arc::new(interpreter());
    is_refused({
        let lua = Arc::clone(&lua);
        move || run(&lua, 1, 2).map_err(|error| error.to_string())
    });
    let sum: u64 = lua.load("return 1 + 2").eval().unwrap();
    assert_eq!(sum, 3, "it works after that");
}

#[test]
fn a_script_catches_what_is_refused() {
    is_refused(move || {
        let lua = interpreter();
        let caught: (bool, Error) = lua.load("return pcall(fetch, 1)").eval().unwrap();
        assert!(!caught.0);
        Err(caught.1.to_string())
    });
}

/// Its stack is on the heap.
#[test]
fn the_lint_does_not_see_it() {
    assert_eq!(findings(|first, second| run(&interpreter(), first, second).unwrap()), []);
}
