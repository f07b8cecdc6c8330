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
pub(crate) struct Ticket {
    permit: Option<OwnedSemaphorePermit>,
    stack: Option<FiberStack>,
}

/// What a fiber runs with.
pub(super) struct Equipment {
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
#[derive(Default)]
pub(crate) struct Admission {
    queued: Option<Pin<Box<dyn Future<Output = Equipment> + Send + Sync>>>,
}

impl Admission {
    /// Ready when a call may be made, for a service: with a stack only if stacks are short, since one of the thread that runs the
    /// call is the better one.
    pub(crate) fn poll_ready(&mut self, meta: &Arc<Meta>, label: &'static str, cx: &mut Context<'_>) -> Poll<Ticket> {
        let is_inside = meta.limit.is_some() && is_within(meta);
        if self.queued.is_none() && !shortage::is_there() {
            match &meta.limit {
                Some(limit) if !is_inside => {
                    if let Some(permit) = limit.try_acquire() {
                        return Poll::Ready(Ticket { permit: Some(permit), stack: None });
                    }
                }
                _ => return Poll::Ready(Ticket::default()),
            }
        }
        let applicant = Applicant { meta, label, is_inside, is_nested: false };
        let Equipment { stack, permit } = ready!(self.poll_queue(applicant, Ticket::default(), cx));
        Poll::Ready(Ticket { permit, stack: Some(stack) })
    }

    /// Ready when a fiber can begin.
    #[inline]
    pub(super) fn poll(
        &mut self,
        applicant: Applicant<'_>,
        ticket: &mut Ticket,
        cx: &mut Context<'_>,
    ) -> Poll<Equipment> {
        let meta = applicant.meta;
        // Most calls: without a limit, and with stacks for all.
        if meta.limit.is_none() && self.queued.is_none() && ticket.stack.is_none() && !shortage::is_there() {
            if let Ok(stack) = meta.stacks.take(applicant.is_nested) {
                return Poll::Ready(Equipment { stack, permit: None });
            }
        }
        self.poll_limited(applicant, mem::take(ticket), cx)
    }

    fn poll_limited(&mut self, applicant: Applicant<'_>, mut ticket: Ticket, cx: &mut Context<'_>) -> Poll<Equipment> {
        let Applicant { meta, is_inside, is_nested, .. } = applicant;
        if self.queued.is_none() {
            if let Some(limit) = meta.limit.as_ref().filter(|_| !is_inside && ticket.permit.is_none()) {
                ticket.permit = limit.try_acquire();
            }
            let has_permit = ticket.permit.is_some() || is_inside || meta.limit.is_none();
            if has_permit && ticket.stack.is_none() && (is_nested || !shortage::is_there()) {
                ticket.stack = meta.stacks.take(is_nested).ok();
            }
            match ticket {
                Ticket { permit, stack: Some(stack) } if has_permit => return Poll::Ready(Equipment { stack, permit }),
                other => ticket = other,
            }
        }
        self.poll_queue(applicant, ticket, cx)
    }

    #[cold]
    fn poll_queue(&mut self, applicant: Applicant<'_>, ticket: Ticket, cx: &mut Context<'_>) -> Poll<Equipment> {
        let queued = self.queued.get_or_insert_with(|| {
            let Applicant { meta, label, is_inside, is_nested } = applicant;
            let meta = Arc::clone(meta);
            Box::pin(async move {
                let name = meta.name_or(label);
                let permit = match (ticket.permit, &meta.limit) {
                    (None, Some(limit)) if !is_inside => Some(limit.acquire(name).await),
                    (permit, _) => permit,
                };
                let stack = match ticket.stack {
                    Some(stack) => stack,
                    None => shortage::wait(meta.stacks, is_nested, name).await,
                };
                Equipment { stack, permit }
            })
        });
        let equipment = ready!(queued.as_mut().poll(cx));
        self.queued = None;
        Poll::Ready(equipment)
    }
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admission").field("is_queued", &self.queued.is_some()).finish()
    }
}
