//! What a fiber needs before it begins: a permit, if its layer has a limit, and a stack.

use std::{
    fmt,
    future::Future,
    mem,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    Meta, is_within,
    stack::{FiberStack, shortage},
};

/// How many fibers of one layer may exist at once.
#[derive(Debug)]
pub(crate) struct Limit {
    /// First come, first served.
    permits: Arc<Semaphore>,
    pub(crate) max: usize,
    /// Whether calls have had to wait since one last had not.
    is_reached: AtomicBool,
}

impl Limit {
    pub(crate) fn new(max: usize) -> Self {
        Self { permits: Arc::new(Semaphore::new(max)), max, is_reached: AtomicBool::new(false) }
    }

    fn try_acquire(&self) -> Option<OwnedSemaphorePermit> {
        let permit = Arc::clone(&self.permits).try_acquire_owned().ok()?;
        if self.is_reached.load(Ordering::Relaxed) {
            self.is_reached.store(false, Ordering::Relaxed);
        }
        Some(permit)
    }

    async fn acquire(&self, name: &str) -> OwnedSemaphorePermit {
        if !self.is_reached.swap(true, Ordering::Relaxed) {
            #[cfg(feature = "tracing")]
            tracing::warn!(
                service = name,
                max_fibers = self.max,
                "the limit is reached, and calls wait until a fiber has ended: raise `max_fibers`, or refuse calls by LoadShed \
                 directly outside of the layer"
            );
            #[cfg(not(feature = "tracing"))]
            let _ = name;
        }
        Arc::clone(&self.permits).acquire_owned().await.expect("the semaphore is never closed")
    }
}

/// What has been had so far. Whatever is in it when it is dropped can be used by others.
#[derive(Default)]
pub(crate) enum Ticket {
    #[default]
    Nothing,
    Permit(OwnedSemaphorePermit),
    Stack(Equipment),
}

impl Ticket {
    fn new(permit: Option<OwnedSemaphorePermit>, stack: Option<FiberStack>) -> Self {
        match (permit, stack) {
            (permit, Some(stack)) => Self::Stack(Equipment { stack, permit }),
            (Some(permit), None) => Self::Permit(permit),
            (None, None) => Self::Nothing,
        }
    }

    fn into_parts(self) -> (Option<OwnedSemaphorePermit>, Option<FiberStack>) {
        match self {
            Self::Nothing => (None, None),
            Self::Permit(permit) => (Some(permit), None),
            Self::Stack(Equipment { stack, permit }) => (permit, Some(stack)),
        }
    }
}

/// What a fiber runs with.
pub(crate) struct Equipment {
    pub(super) stack: FiberStack,
    /// Until the fiber has ended and returned its stack. A leaked fiber keeps it.
    pub(super) permit: Option<OwnedSemaphorePermit>,
}

/// Who asks.
#[derive(Clone, Copy)]
pub(super) struct Applicant<'a> {
    pub(super) meta: &'a Arc<Meta>,
    pub(super) label: &'static str,
    /// Inside a fiber of the same layer it needs no permit.
    pub(super) is_inside: bool,
    /// Inside any fiber it may have a stack of the reserve, or fibers that wait for those inside them could take all there are.
    pub(super) is_nested: bool,
}

/// Where a call stands in the queues.
pub(crate) enum Admission {
    /// In none.
    Admitted(Ticket),
    Queued(Queued),
}

type Queued = Pin<Box<dyn Future<Output = Equipment> + Send + Sync>>;

impl Admission {
    /// Ready when a call may be made, for a service: with a stack only if stacks are short, since one of the thread that runs the
    /// call is the better one.
    #[inline]
    pub(crate) fn poll_ready(&mut self, meta: &Arc<Meta>, label: &'static str, cx: &mut Context<'_>) -> Poll<Ticket> {
        if meta.limit.is_none() && matches!(self, Self::Admitted(_)) && !shortage::is_there() {
            return Poll::Ready(Ticket::Nothing);
        }
        self.poll_ready_limited(meta, label, cx)
    }

    fn poll_ready_limited(&mut self, meta: &Arc<Meta>, label: &'static str, cx: &mut Context<'_>) -> Poll<Ticket> {
        let is_inside = meta.limit.is_some() && is_within(meta);
        if matches!(self, Self::Admitted(_)) && !shortage::is_there() {
            match &meta.limit {
                Some(limit) if !is_inside => {
                    if let Some(permit) = limit.try_acquire() {
                        return Poll::Ready(Ticket::Permit(permit));
                    }
                }
                _ => return Poll::Ready(Ticket::Nothing),
            }
        }
        let applicant = Applicant { meta, label, is_inside, is_nested: false };
        self.poll_queue(applicant, cx).map(Ticket::Stack)
    }

    /// Whether there is nothing in it.
    #[inline]
    pub(super) fn is_plain(&self) -> bool {
        matches!(self, Self::Admitted(Ticket::Nothing))
    }

    /// What most calls begin with: the stack that this thread used last, if there is no limit and stacks are there for all.
    #[inline]
    pub(super) fn take_warm(&self, meta: &Meta) -> Option<FiberStack> {
        if meta.limit.is_some() || !self.is_plain() || shortage::is_there() {
            return None;
        }
        meta.stacks.take_warm()
    }

    /// Ready when a fiber can begin.
    pub(super) fn poll(&mut self, applicant: Applicant<'_>, cx: &mut Context<'_>) -> Poll<Equipment> {
        let Applicant { meta, is_inside, is_nested, .. } = applicant;
        if let Self::Admitted(ticket) = self {
            let (mut permit, mut stack) = mem::take(ticket).into_parts();
            if let Some(limit) = meta.limit.as_ref().filter(|_| !is_inside && permit.is_none()) {
                permit = limit.try_acquire();
            }
            let has_permit = permit.is_some() || is_inside || meta.limit.is_none();
            if has_permit && stack.is_none() {
                stack = shortage::take_at_once(meta.stacks, is_nested);
            }
            match stack {
                Some(stack) if has_permit => return Poll::Ready(Equipment { stack, permit }),
                stack => *ticket = Ticket::new(permit, stack),
            }
        }
        self.poll_queue(applicant, cx)
    }

    #[cold]
    fn poll_queue(&mut self, applicant: Applicant<'_>, cx: &mut Context<'_>) -> Poll<Equipment> {
        if let Self::Admitted(ticket) = self {
            let ticket = mem::take(ticket);
            *self = Self::Queued(Box::pin(queue(applicant, ticket)));
        }
        let Self::Queued(queued) = self else { unreachable!("it has just joined") };
        let equipment = ready!(queued.as_mut().poll(cx));
        *self = Self::default();
        Poll::Ready(equipment)
    }
}

fn queue(applicant: Applicant<'_>, ticket: Ticket) -> impl Future<Output = Equipment> + Send + Sync + use<> {
    let Applicant { meta, label, is_inside, is_nested } = applicant;
    let meta = Arc::clone(meta);
    async move {
        let name = meta.name_or(label);
        let (permit, stack) = ticket.into_parts();
        let permit = match (permit, &meta.limit) {
            (None, Some(limit)) if !is_inside => Some(limit.acquire(name).await),
            (permit, _) => permit,
        };
        // Most wait for a permit only. Who stands in line for a stack, be it for a moment, makes others do so.
        let stack = match stack.or_else(|| shortage::take_at_once(meta.stacks, is_nested)) {
            Some(stack) => stack,
            None => shortage::wait(meta.stacks, is_nested, name).await,
        };
        Equipment { stack, permit }
    }
}

impl Default for Admission {
    fn default() -> Self {
        Self::Admitted(Ticket::Nothing)
    }
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admission").field("is_queued", &matches!(self, Self::Queued(_))).finish()
    }
}
