//! What a fiber needs before it begins: a stack, and a permit if its layer has a limit.

use std::{
    fmt,
    future::Future,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use super::{
    Shared, find_header, is_within,
    limit::{Permit, Place, Rank},
    relay::Relayed,
};
use crate::raw::{FiberStack, let_go, shortage, with_current};

/// What a fiber holds while it runs.
pub(super) struct Resources {
    pub(super) stack: FiberStack,
    pub(super) permit: Option<Permit>,
}

/// The fiber that asks for a stack or a permit.
#[derive(Clone, Copy)]
pub(super) struct StackRequest<'a> {
    pub(super) shared: &'a Arc<Shared>,
    pub(super) label: &'static str,
    /// A fiber inside any other may take a stack from the reserve. Otherwise outer fibers could take all stacks and
    /// wait forever for the inner ones.
    pub(super) is_nested: bool,
    /// A root that has begun before. It goes ahead of new calls and may take a stack from the reserve, since other
    /// calls may be waiting for it.
    pub(super) is_under_way: bool,
    /// The fiber parked while fibers inside it were waiting, and has kept its permit.
    pub(super) has_permit: bool,
}

impl StackRequest<'_> {
    fn may_use_reserve(&self) -> bool {
        self.is_nested || self.is_under_way
    }
}

/// Whether a fiber around this code belongs to the layer and was left behind by the fiber that made it.
fn is_left_behind(shared: &Shared) -> bool {
    with_current(|state| state.is_some_and(|state| find_header::is_left_behind(state, shared)))
}

/// The share of a permit and a stack that a call has before it begins; most calls have none. Dropping it releases that
/// share to other calls.
#[derive(Default)]
pub(crate) struct Admission(Share);

#[derive(Default)]
enum Share {
    #[default]
    Nothing,
    /// A reservation, which needs no box: the key is short so that it fits beside the variant's number.
    Reserved {
        key: u32,
        shared: Arc<Shared>,
    },
    Rest(Box<Rest>),
}

/// The share of a call that has to wait for the rest.
#[derive(Default)]
struct Rest {
    /// Only in layers with a limit.
    place: Option<Place>,
    permit: Option<Permit>,
    /// This field and the next are set only while stacks are short.
    stack: Option<FiberStack>,
    queued: Option<Queued>,
    /// The call was admitted when it was made, beside the limit.
    in_advance: bool,
}

type Queued = Pin<Box<dyn Future<Output = FiberStack> + Send + Sync>>;

impl Admission {
    /// For a service: ready when a call may be made. It then has a reservation if the layer has a limit, and a stack
    /// only if stacks are short, because a stack of the thread that will run the call is the better one.
    #[inline]
    pub(crate) fn poll_ready(&mut self, shared: &Arc<Shared>, label: &'static str, cx: &mut Context<'_>) -> Poll<()> {
        let is_ready = match &self.0 {
            Share::Nothing => shared.limit.is_none() || self.reserve(shared, label, cx),
            Share::Reserved { .. } => true,
            Share::Rest(_) => false,
        };
        if is_ready && !shortage::is_there() {
            return Poll::Ready(());
        }
        self.rest().poll_ready(shared, label, cx)
    }

    #[inline(never)]
    fn reserve(&mut self, shared: &Arc<Shared>, label: &'static str, cx: &Context<'_>) -> bool {
        if is_within(shared) {
            return true;
        }
        let limit = shared.limit.as_ref();
        let Some(key) = limit.and_then(|limit| limit.reserve_at_once(shared.name_or(label), cx.waker())) else {
            return false;
        };
        self.0 = Share::Reserved { key, shared: Arc::clone(shared) };
        true
    }

    /// For a call that belongs to a fiber of the layer, and that another task polls: no limit holds it back, since the
    /// permit of that fiber may be waiting for it.
    #[cfg_attr(not(feature = "stream"), expect(dead_code, reason = "only what streams is admitted so"))]
    pub(crate) fn in_advance() -> Self {
        let mut rest = Box::<Rest>::default();
        rest.in_advance = true;
        Self(Share::Rest(rest))
    }

    #[inline]
    pub(super) fn is_in_advance(&self) -> bool {
        matches!(&self.0, Share::Rest(rest) if rest.in_advance)
    }

    /// Whether it is empty.
    #[inline]
    pub(super) fn is_plain(&self) -> bool {
        matches!(self.0, Share::Nothing)
    }

    /// The permit of a new call, which is not in a fiber, if it need not be waited for.
    pub(super) fn permit_at_once(&mut self, shared: &Arc<Shared>, label: &'static str) -> Option<Permit> {
        let name = shared.name_or(label);
        match mem::take(&mut self.0) {
            Share::Nothing => Permit::at_once(shared, name),
            Share::Reserved { key, shared: of_layer } => match Permit::for_reserved(of_layer, key, name) {
                Ok(permit) => Some(permit),
                Err(place) => {
                    self.0 = Share::Rest(Rest::in_line(Some(place)));
                    None
                }
            },
            rest @ Share::Rest(_) => {
                self.0 = rest;
                None
            }
        }
    }

    /// The stack that this thread used last, if stacks are not short. The call has the permit that it needs.
    #[inline]
    pub(super) fn take_warm(&self, shared: &Shared) -> Option<FiberStack> {
        if !self.is_plain() || shortage::is_there() {
            return None;
        }
        shared.stacks.take_warm()
    }

    /// Ready when a fiber can begin.
    pub(super) fn poll(&mut self, request: StackRequest<'_>, cx: &mut Context<'_>) -> Poll<Resources> {
        let resources = ready!(self.rest().poll(request, cx));
        if !self.is_in_advance() {
            self.0 = Share::Nothing;
        }
        Poll::Ready(resources)
    }

    fn rest(&mut self) -> &mut Rest {
        let rest = match mem::take(&mut self.0) {
            Share::Nothing => Rest::in_line(None),
            Share::Reserved { key, shared } => Rest::in_line(Some(Place::reserved(shared, key))),
            Share::Rest(rest) => rest,
        };
        self.0 = Share::Rest(rest);
        match &mut self.0 {
            Share::Rest(rest) => rest,
            _ => unreachable!("it was just set"),
        }
    }
}

impl Drop for Admission {
    #[inline]
    fn drop(&mut self) {
        if let Share::Reserved { key, shared } = &self.0 {
            shared.limit.as_ref().into_iter().for_each(|limit| limit.give_back(*key));
        }
    }
}

impl Rest {
    fn in_line(place: Option<Place>) -> Box<Self> {
        let mut rest = Box::<Self>::default();
        rest.place = place;
        rest
    }

    fn poll_ready(&mut self, shared: &Arc<Shared>, label: &'static str, cx: &mut Context<'_>) -> Poll<()> {
        if shared.limit.is_some() && !is_within(shared) {
            let place = self.place.get_or_insert_with(|| Place::new(Arc::clone(shared)));
            ready!(place.poll_ready(shared.name_or(label), cx.waker()));
        }
        if self.stack.is_none() && (self.queued.is_some() || shortage::is_there()) {
            let request = StackRequest { shared, label, is_nested: false, is_under_way: false, has_permit: false };
            self.stack = Some(ready!(self.poll_stack(request, cx)));
        }
        Poll::Ready(())
    }

    fn poll(&mut self, request: StackRequest<'_>, cx: &mut Context<'_>) -> Poll<Resources> {
        let is_limited = request.shared.limit.is_some() && !self.in_advance;
        if is_limited && !request.has_permit && self.permit.is_none() {
            self.permit = ready!(self.poll_permit(request, cx));
        }
        let stack = match self.stack.take() {
            Some(stack) => stack,
            None => ready!(self.poll_stack(request, cx)),
        };
        Poll::Ready(Resources { stack, permit: self.permit.take() })
    }

    /// Ready with `None` for a call that needs no permit.
    fn poll_permit(
        &mut self,
        StackRequest { shared, label, is_nested, is_under_way, .. }: StackRequest<'_>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Permit>> {
        let place = self.place.get_or_insert_with(|| Place::new(Arc::clone(shared)));
        let name = shared.name_or(label);
        let permit = if is_nested && is_within(shared) {
            if !is_left_behind(shared) {
                ready!(place.poll_inside(name, cx.waker()));
            }
            None
        } else {
            let rank = if is_under_way { Rank::UnderWay } else { Rank::New };
            Some(ready!(place.poll_permit(rank, name, cx.waker())))
        };
        self.place = None;
        Poll::Ready(permit)
    }

    fn poll_stack(&mut self, request: StackRequest<'_>, cx: &mut Context<'_>) -> Poll<FiberStack> {
        if self.queued.is_none() {
            if let Some(stack) = shortage::take_at_once(request.shared.stacks, request.may_use_reserve()) {
                return Poll::Ready(stack);
            }
            self.queued = Some(queue(request));
        }
        let queued = self.queued.as_mut().expect("it has just joined");
        let stack = ready!(queued.as_mut().poll(cx));
        self.queued = None;
        Poll::Ready(stack)
    }
}

impl Drop for Rest {
    fn drop(&mut self) {
        // Dropping it wakes the next waiter, whose waker is foreign code.
        self.queued.take().into_iter().for_each(let_go);
    }
}

fn queue(request: StackRequest<'_>) -> Queued {
    let (reserve, label) = (request.may_use_reserve(), request.label);
    let shared = Arc::clone(request.shared);
    let stack = async move { shortage::wait(shared.stacks, reserve, shared.name_or(label)).await };
    Box::pin(Relayed::new(Box::pin(stack)))
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admission").field("is_plain", &self.is_plain()).finish_non_exhaustive()
    }
}
