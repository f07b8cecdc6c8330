//! [`DumpOnSignal`]: what all fibers do, whenever the process gets a signal.

use std::{
    fmt::{self, Write as _},
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
};

use tokio::{
    runtime::Builder,
    signal::unix::{Signal, SignalKind, signal},
};

use super::{FiberHandle, Observed};
use crate::{
    diagnostics::{Dump, JsonMembers, JsonText, dump, dump_with_backtraces},
    fiber::Shared,
    util::drop_quietly::drop_quietly,
};

/// Prints a [`Dump`] of each layer whenever the process gets a signal: `kill -USR1 <pid>`.
///
/// A thread named `fiber-dump` waits for the signal, so that it also works while all other threads are blocked. tokio
/// delivers the signal (feature `signal` of tokio), so other handlers of it in the process are called as well.
///
/// By default the signal is `SIGUSR1`, the dump is text on the standard error, and all layers of the process are in it,
/// those that are made later too. Layers without a name are left out while they have no fibers. The functions that have
/// no layer ([`run_in_fiber`](crate::run_in_fiber), handlers of `axum::fiber`) are together one layer without a name.
///
/// Each layer is from then on observed as by a [`FiberHandle`], which costs each wait some nanoseconds. A fiber that
/// waited before is not listed until it waits again, but is counted in [`Dump::unlisted`].
///
/// # Examples
///
/// ```no_run
/// use tokio::signal::unix::SignalKind;
/// use tower_fiber::{DumpFormat, DumpOnSignal};
///
/// # fn main() -> std::io::Result<()> {
/// DumpOnSignal::new().start()?;
///
/// // One line of JSON, with the functions that wait, into a log.
/// DumpOnSignal::new()
///     .signal(SignalKind::user_defined2())
///     .format(DumpFormat::Json)
///     .backtraces(true)
///     .write_to(|dump| tracing::info!(dump, "all fibers"))
///     .start()?;
/// # Ok(())
/// # }
/// ```
///
/// This prints, for example:
///
/// ```text
/// layer `orders`
/// 2 of `orders` wait at src/orders.rs:14:37, began 0.105 to 0.250 s ago, thread `main` (ThreadId(1))
/// fibers: 2
/// ```
#[must_use = "it does nothing until it is started"]
pub struct DumpOnSignal {
    signal: SignalKind,
    format: DumpFormat,
    backtraces: bool,
    layers: Observed,
    write: Box<dyn FnMut(&str) + Send>,
}

/// How a [`DumpOnSignal`] writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum DumpFormat {
    /// For people: for each layer a line with its name, and the `Display` of its [`Dump`]. The default.
    #[default]
    Text,
    /// For programs: one line with an object whose member `layers` is a list. Each layer has its `name`, which may be
    /// `null`, and the members of [`Dump::to_json`].
    Json,
}

impl DumpOnSignal {
    /// Makes one with the defaults.
    pub fn new() -> Self {
        let write = Box::new(|dump: &str| eprintln!("{dump}"));
        let (signal, format) = (SignalKind::user_defined1(), DumpFormat::Text);
        Self { signal, format, backtraces: false, layers: Observed::All, write }
    }

    /// Sets the signal; `SIGUSR1` by default.
    pub fn signal(mut self, signal: SignalKind) -> Self {
        self.signal = signal;
        self
    }

    /// Sets the format; text by default.
    pub fn format(mut self, format: DumpFormat) -> Self {
        self.format = format;
        self
    }

    /// Sets whether the dump has backtraces, for which each fiber is resumed once as by
    /// [`FiberHandle::dump_with_backtraces`]; `false` by default. A thread that is blocked delays such a dump by a
    /// second.
    pub fn backtraces(mut self, backtraces: bool) -> Self {
        self.backtraces = backtraces;
        self
    }

    /// Limits the dump to the layers of these handles.
    pub fn layers(mut self, handles: impl IntoIterator<Item = FiberHandle>) -> Self {
        self.layers = Observed::Some(handles.into_iter().collect());
        self
    }

    /// Calls `write` with each dump, on the thread `fiber-dump`, instead of printing it. The text does not end in a
    /// line break.
    pub fn write_to(mut self, write: impl FnMut(&str) + Send + 'static) -> Self {
        self.write = Box::new(write);
        self
    }

    /// Starts the thread, which runs until the process ends. Once this has returned, no signal is missed; signals that
    /// come while a dump is written cause one further dump.
    ///
    /// # Errors
    ///
    /// If the signal cannot be handled (`SIGKILL`), or if there is no thread or no descriptor left.
    pub fn start(mut self) -> io::Result<()> {
        let runtime = Builder::new_current_thread().enable_io().build()?;
        let entered = runtime.enter();
        let signals = signal(self.signal)?;
        drop(entered);
        self.layers.start();
        let listen = move || runtime.block_on(self.listen(signals));
        thread::Builder::new().name("fiber-dump".to_owned()).spawn(listen).map(drop)
    }

    async fn listen(&mut self, mut signals: Signal) {
        while signals.recv().await.is_some() {
            let text = self.text().await;
            // The next dump may be written well.
            drop_quietly(catch_unwind(AssertUnwindSafe(|| (self.write)(&text))));
        }
    }

    async fn text(&self) -> String {
        let mut text = String::new();
        for shared in self.layers.layers() {
            let dump = if self.backtraces { dump_with_backtraces(&shared).await } else { dump(&shared) };
            let is_first = text.is_empty();
            // Writing to a `String` does not fail.
            _ = match self.format {
                DumpFormat::Text => as_text(&mut text, is_first, &shared, &dump),
                DumpFormat::Json => as_json(&mut text, is_first, &shared, &dump),
            };
        }
        match self.format {
            DumpFormat::Text if text.is_empty() => "no layers".to_owned(),
            DumpFormat::Text => text,
            DumpFormat::Json => format!("{{\"layers\":[{text}]}}"),
        }
    }
}

fn as_text(text: &mut String, is_first: bool, shared: &Shared, dump: &Dump) -> fmt::Result {
    text.push_str(if is_first { "" } else { "\n\n" });
    match &shared.name {
        Some(name) => writeln!(text, "layer `{name}`")?,
        None => text.push_str("a layer without a name\n"),
    }
    write!(text, "{dump}")
}

fn as_json(text: &mut String, is_first: bool, shared: &Shared, dump: &Dump) -> fmt::Result {
    text.push_str(if is_first { "" } else { "," });
    match &shared.name {
        Some(name) => write!(text, "{{\"name\":{},{}}}", JsonText(name), JsonMembers(dump)),
        None => write!(text, "{{\"name\":null,{}}}", JsonMembers(dump)),
    }
}

impl Default for DumpOnSignal {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for DumpOnSignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { signal, format, backtraces, layers, write: _ } = self;
        f.debug_struct("DumpOnSignal")
            .field("signal", signal)
            .field("format", format)
            .field("backtraces", backtraces)
            .field("layers", layers)
            .finish_non_exhaustive()
    }
}
