//! WebAssembly whose host functions wait. wasmtime keeps a list of the calls into modules for each thread, and takes
//! them off in reverse order.

use std::sync::Arc;

use interpreters::{fetch, fetch_async, findings, interleaves, is_named, is_refused};
use tokio::{runtime::Builder, sync::Mutex};
use tower_fiber::{FiberLayer, WaitExt as _, offload};
use wasmtime::{Caller, Config, Engine, Error, Instance, Linker, Module, Result, Store};

const TEXT: &str = r#"(module
    (import "host" "fetch" (func $fetch (param i64) (result i64)))
    (func (export "run") (param i64 i64) (result i64 i64)
        (call $fetch (local.get 0))
        (call $fetch (local.get 1)))
    (func $recurse (export "recurse") (call $recurse))
    (func (export "fail") (unreachable)))"#;

#[derive(Clone)]
struct Plugin {
    engine: Engine,
    module: Module,
}

impl Plugin {
    fn new(config: &Config) -> Self {
        let engine = Engine::new(config).unwrap();
        let module = Module::new(&engine, TEXT).unwrap();
        Self { engine, module }
    }

    /// A store and an instance for this call alone.
    fn instance(&self) -> (Store<()>, Instance) {
        let mut linker = Linker::new(&self.engine);
        let fetch = |_: Caller<'_, ()>, turns: u64| fetch(turns).map_err(Error::from);
        linker.func_wrap("host", "fetch", fetch).unwrap();
        let mut store = Store::new(&self.engine, ());
        let instance = linker.instantiate(&mut store, &self.module).unwrap();
        (store, instance)
    }

    fn run(&self, first: u64, second: u64) -> Result<(u64, u64)> {
        let (mut store, instance) = self.instance();
        instance.get_typed_func::<(u64, u64), (u64, u64)>(&mut store, "run")?.call(&mut store, (first, second))
    }

    /// By wasmtime's own way to suspend, which keeps the list in order.
    async fn run_async(&self, first: u64, second: u64) -> Result<(u64, u64)> {
        let mut linker = Linker::new(&self.engine);
        linker.func_wrap_async("host", "fetch", |_: Caller<'_, ()>, (turns,): (u64,)| Box::new(fetch_async(turns)))?;
        let mut store = Store::new(&self.engine, ());
        let instance = linker.instantiate_async(&mut store, &self.module).await?;
        let run = instance.get_typed_func::<(u64, u64), (u64, u64)>(&mut store, "run")?;
        run.call_async(&mut store, (first, second)).await
    }
}

#[test]
fn async_host_functions() {
    let plugin = Plugin::new(Config::new().async_support(true));
    interleaves(move |first, second| plugin.run_async(first, second).wait().unwrap());
}

#[test]
fn one_at_a_time() {
    let plugin = Arc::new(Mutex::new(Plugin::new(&Config::new())));
    interleaves(move |first, second| plugin.lock().wait().run(first, second).unwrap());
}

#[test]
fn on_other_threads() {
    let plugin = Plugin::new(&Config::new());
    interleaves(move |first, second| {
        let plugin = plugin.clone();
        offload(move || plugin.run(first, second).unwrap())
    });
}

#[test]
fn wasm_host_function() {
    let plugin = Plugin::new(&Config::new());
    is_refused(move || plugin.run(1, 2).map_err(|error| format!("{error:?}")));
}

#[test]
fn traps_are_errors_on_the_stack_of_a_fiber() {
    let plugin = Plugin::new(&Config::new());
    let trap = |name: &'static str| {
        let plugin = plugin.clone();
        FiberLayer::new().run(move || {
            let (mut store, instance) = plugin.instance();
            let function = instance.get_typed_func::<(), ()>(&mut store, name).unwrap();
            format!("{:?}", function.call(&mut store, ()).unwrap_err())
        })
    };
    let runtime = Builder::new_current_thread().build().unwrap();
    assert!(runtime.block_on(trap("fail")).contains("unreachable"));
    assert!(runtime.block_on(trap("recurse")).contains("call stack exhausted"));
}

#[test]
fn the_lint_names_a_call_that_waits() {
    let plugin = Plugin::new(&Config::new());
    is_named(&findings(move |first, second| plugin.run(first, second).unwrap()), "wasmtime::");
}
