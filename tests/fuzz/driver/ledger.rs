//! What must balance at the end: fibers, values, wakers. Kept beside the crate's own counters, and compared with them.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use super::{script::LAYERS, stage::Stage};

/// Names a fiber of the script, or a call of a service with its future.
pub(crate) type FiberNo = usize;

#[derive(Default)]
pub(crate) struct Ledger {
    books: Mutex<Books>,
    /// Grows with all that happens.
    events: AtomicU64,
    turns: AtomicU64,
}

#[derive(Default)]
struct Books {
    fibers: Vec<Fiber>,
    values: Vec<Value>,
    wakers_made: u64,
    wakers_dropped: u64,
    failures: Vec<String>,
}

#[derive(Default)]
struct Fiber {
    /// `None` for one of `run_local`.
    layer: Option<usize>,
    /// The fiber in whose code it was made.
    parent: Option<FiberNo>,
    has_begun: bool,
    /// What keeps it from having ended: its code, its fiber-locals.
    open: u32,
    /// It has caught an unwinding.
    has_caught: bool,
    /// An infallible wait of its own has unwound.
    was_cut: bool,
    shields: u32,
    /// When it was polled last by a combinator; see [`Ledger::turn`].
    polled: u64,
}

struct Value {
    owner: Option<FiberNo>,
    is_dropped: bool,
}

impl Books {
    fn is_leaked(&self, fiber: FiberNo) -> bool {
        let Fiber { has_begun, open, .. } = self.fibers[fiber];
        has_begun && open > 0
    }

    /// It, and those around it.
    fn line(&self, fiber: FiberNo) -> impl Iterator<Item = FiberNo> {
        std::iter::successors(Some(fiber), |fiber| self.fibers[*fiber].parent)
    }

    /// Whether it, or one around it, is leaked.
    fn is_lost(&self, fiber: FiberNo) -> bool {
        self.line(fiber).any(|fiber| self.is_leaked(fiber))
    }
}

impl Ledger {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self) {
        self.events.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn events(&self) -> u64 {
        self.events.load(Ordering::Relaxed)
    }

    pub(crate) fn fail(&self, text: impl Into<String>) {
        self.books().failures.push(text.into());
    }

    pub(crate) fn failures(&self) -> Vec<String> {
        self.books().failures.clone()
    }

    pub(crate) fn fiber(&self, layer: Option<usize>, parent: Option<FiberNo>) -> FiberNo {
        let fibers = &mut self.books().fibers;
        fibers.push(Fiber { layer, parent, ..Fiber::default() });
        fibers.len() - 1
    }

    pub(crate) fn has_begun(&self, fiber: FiberNo) -> bool {
        self.books().fibers[fiber].has_begun
    }

    pub(crate) fn has_caught(&self, fiber: FiberNo) {
        self.books().fibers[fiber].has_caught = true;
    }

    /// Whether one of these was cut, or one in whose panic theirs has its origin.
    pub(crate) fn were_cut(&self, fibers: &[FiberNo]) -> bool {
        let books = self.books();
        let is_below = |fiber: FiberNo| books.line(fiber).any(|fiber| fibers.contains(&fiber));
        (0..books.fibers.len()).any(|fiber| books.fibers[fiber].was_cut && is_below(fiber))
    }

    pub(crate) fn cut(&self, fiber: FiberNo) {
        self.books().fibers[fiber].was_cut = true;
    }

    pub(crate) fn shield(&self, fiber: FiberNo) {
        self.books().fibers[fiber].shields += 1;
    }

    pub(crate) fn unshield(&self, fiber: FiberNo) {
        self.books().fibers[fiber].shields -= 1;
    }

    /// The present one, of which there are ever more.
    pub(crate) fn turn(&self) -> u64 {
        self.turns.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn polled(&self, fiber: FiberNo) {
        self.books().fibers[fiber].polled = self.turn();
    }

    /// Whether it has begun, has not ended, and did nothing to put that off. A combinator that has not polled it since
    /// `turn` did, unless it is in a shield.
    pub(crate) fn is_behind(&self, fiber: FiberNo, turn: u64) -> bool {
        let books = self.books();
        let Fiber { has_caught, shields, polled, .. } = books.fibers[fiber];
        books.is_leaked(fiber) && !has_caught && (shields > 0 || polled >= turn)
    }

    pub(crate) fn value(&self, owner: Option<FiberNo>) -> usize {
        let values = &mut self.books().values;
        values.push(Value { owner, is_dropped: false });
        values.len() - 1
    }

    pub(crate) fn drop_value(&self, value: usize) {
        self.note();
        if std::mem::replace(&mut self.books().values[value].is_dropped, true) {
            self.fail("a value was dropped twice");
        }
    }

    pub(crate) fn make_waker(&self) {
        self.books().wakers_made += 1;
    }

    pub(crate) fn drop_waker(&self) {
        self.books().wakers_dropped += 1;
    }

    /// A fiber that foreign code makes, which does not know where.
    pub(crate) fn stray(&self) -> FiberNo {
        self.fiber(Some(LAYERS), None)
    }

    /// Fibers of each layer that have begun and will never end, and last those of foreign code.
    pub(crate) fn leaked(&self) -> [u64; LAYERS + 1] {
        let books = self.books();
        std::array::from_fn(|layer| {
            let leaked = |fiber: &FiberNo| books.is_leaked(*fiber) && books.fibers[*fiber].layer == Some(layer);
            (0..books.fibers.len()).filter(leaked).count() as u64
        })
    }

    /// Fibers of that layer that may have been polled inside one that is leaked, with which they are counted although
    /// they have gone on.
    pub(crate) fn written_off(&self, layer: usize) -> u64 {
        let books = self.books();
        let numbers = || 0..books.fibers.len();
        if !numbers().any(|fiber| books.is_leaked(fiber)) {
            return 0;
        }
        let has_gone_on = |fiber: &FiberNo| {
            let Fiber { layer: of, has_begun, .. } = books.fibers[*fiber];
            of == Some(layer) && has_begun && !books.is_leaked(*fiber)
        };
        numbers().filter(has_gone_on).count() as u64
    }

    /// Whether a call of that layer may have been lost before it began, inside a leaked fiber.
    pub(crate) fn may_be_queued(&self, layer: usize) -> bool {
        let books = self.books();
        let is_queued = |fiber: &Fiber| {
            !fiber.has_begun && fiber.layer == Some(layer) && fiber.parent.is_some_and(|parent| books.is_lost(parent))
        };
        books.fibers.iter().any(is_queued)
    }

    /// When all has ended: what was lost and not with a leaked fiber.
    pub(crate) fn check(&self) {
        let mut failures = Vec::new();
        let books = self.books();
        let is_any_leaked = (0..books.fibers.len()).any(|fiber| books.is_leaked(fiber));
        for (number, Value { owner, is_dropped }) in books.values.iter().enumerate() {
            let is_excused = owner.map_or(is_any_leaked, |owner| books.is_lost(owner));
            if !is_dropped && !is_excused {
                failures.push(format!("value {number} of fiber {owner:?} was lost"));
            }
        }
        let (made, dropped) = (books.wakers_made, books.wakers_dropped);
        if dropped > made || (dropped < made && !is_any_leaked) {
            failures.push(format!("{made} wakers were made, and {dropped} dropped"));
        }
        drop(books);
        failures.into_iter().for_each(|failure| self.fail(failure));
    }
}

/// Keeps a fiber from having ended.
pub(crate) struct Running {
    stage: Arc<Stage>,
    fiber: FiberNo,
}

impl Running {
    pub(crate) fn begin(stage: &Arc<Stage>, fiber: FiberNo) -> Self {
        let ledger = &stage.ledger;
        ledger.note();
        let mut books = ledger.books();
        books.fibers[fiber].has_begun = true;
        books.fibers[fiber].open += 1;
        drop(books);
        Self { stage: Arc::clone(stage), fiber }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let ledger = &self.stage.ledger;
        ledger.note();
        ledger.books().fibers[self.fiber].open -= 1;
    }
}
