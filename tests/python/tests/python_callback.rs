//! Python whose functions wait. Python and PyO3 keep a stack of what is called for each thread: what two fibers put
//! there must not be mixed.

use std::{ffi::CString, io};

use interpreters::{fetch, findings, interleaves, is_named, is_refused};
use pyo3::{prelude::*, types::PyDict};
use tokio::sync::Mutex;
use tower_fiber::{WaitExt as _, offload};

/// Lets others have Python while it waits.
#[pyfunction(name = "fetch")]
fn fetch_detached(py: Python<'_>, turns: u64) -> io::Result<u64> {
    py.detach(|| fetch(turns))
}

#[pyfunction(name = "fetch")]
fn fetch_attached(turns: u64) -> io::Result<u64> {
    fetch(turns)
}

/// Waits twice, in the middle of the expression.
fn run(is_detached: bool, first: u64, second: u64) -> PyResult<(u64, u64)> {
    Python::attach(|py| {
        let fetch =
            if is_detached { wrap_pyfunction!(fetch_detached, py) } else { wrap_pyfunction!(fetch_attached, py) };
        let names = PyDict::new(py);
        names.set_item("fetch", fetch?)?;
        let code = CString::new(format!("(fetch({first}), fetch({second}))"))?;
        py.eval(&code, Some(&names), None)?.extract()
    })
}

#[test]
fn one_at_a_time() {
    // One for the process. Other threads can have Python meanwhile only if it is detached from.
    static PYTHON: Mutex<()> = Mutex::const_new(());
    for is_detached in [false, true] {
        interleaves(move |first, second| {
            let _python = PYTHON.lock().wait();
            run(is_detached, first, second).unwrap()
        });
    }
}

#[test]
fn on_other_threads() {
    for is_detached in [false, true] {
        interleaves(move |first, second| offload(move || run(is_detached, first, second).unwrap()));
    }
}

#[test]
fn python_callback() {
    for is_detached in [false, true] {
        is_refused(move || run(is_detached, 1, 2).map_err(|error| error.to_string()));
    }
}

#[test]
fn the_lint_names_a_call_that_waits() {
    is_named(&findings(|first, second| run(false, first, second).unwrap()), "pyo3::");
}
