//! Whatever spans a task and its fiber enter, in whatever order, each of them sees only its own. All short scripts are
//! tried.

use tokio::task::yield_now;
use tower_fiber::{FiberLayer, WaitExt as _};
use tracing::{Id, Span, info_span};

use super::{
    cases::lines,
    support::{in_each_task, poll_once},
};

const POLLS: usize = 3;

/// What a task has entered around a poll, by their numbers.
const OUTSIDE: [&[usize]; 5] = [&[], &[0], &[1], &[1, 0], &[0, 0]];

/// What a fiber does in one stretch.
#[derive(Clone, Copy, Debug)]
enum Step {
    Nothing,
    Enter(usize),
    EnterNew,
    LeaveLast,
    LeaveFirst,
}

const STEPS: [Step; 6] =
    [Step::Nothing, Step::Enter(0), Step::Enter(1), Step::EnterNew, Step::LeaveLast, Step::LeaveFirst];

/// The current one of the spans that were entered in this order: a span counts where it was entered first.
fn current(entered: &[Id]) -> Option<&Id> {
    (0..entered.len()).rev().find(|index| !entered[..*index].contains(&entered[*index])).map(|index| &entered[index])
}

fn leave(entered: &mut Vec<Id>, id: &Id) {
    let last = entered.iter().rposition(|other| other == id).unwrap();
    entered.remove(last);
}

/// The code of the fiber, which begins in the `parent`.
fn run(steps: [Step; POLLS], spans: &[Span; 2], parent: Option<Id>) {
    let mut entered = Vec::from_iter(parent);
    let mut guards = Vec::new();
    for (index, step) in steps.into_iter().enumerate() {
        if index > 0 {
            yield_now().wait();
        }
        assert_eq!(Span::current().id().as_ref(), current(&entered), "after a wait");
        let new = match step {
            Step::Enter(number) => Some(spans[number].clone()),
            Step::EnterNew => Some(info_span!("new")),
            Step::Nothing | Step::LeaveLast | Step::LeaveFirst => None,
        };
        let left = match step {
            Step::LeaveLast => guards.pop(),
            Step::LeaveFirst if !guards.is_empty() => Some(guards.remove(0)),
            _ => None,
        };
        left.iter().for_each(|(_, id)| leave(&mut entered, id));
        drop(left);
        if let Some(span) = new {
            let id = span.id().unwrap();
            entered.push(id.clone());
            guards.push((span.entered(), id));
        }
        assert_eq!(Span::current().id().as_ref(), current(&entered), "after a step");
    }
    while let Some((guard, id)) = guards.pop() {
        drop(guard);
        leave(&mut entered, &id);
        assert_eq!(Span::current().id().as_ref(), current(&entered), "at the end");
    }
}

/// Not where a task first enters the parent alone, and in a later poll enters it twice, or another one that the fiber
/// enters as well: then the last entry may be taken for the other's.
fn is_distinct(outside: &[&[usize]; POLLS], steps: &[Step; POLLS]) -> bool {
    let Some(alone) = outside.iter().position(|entered| *entered == [0]) else { return true };
    let enters_second = steps.iter().any(|step| matches!(step, Step::Enter(1)));
    outside[alone..].iter().all(|entered| *entered != [0, 0] && !(*entered == [1, 0] && enters_second))
}

fn every<T: Copy>(from: &[T]) -> impl Iterator<Item = [T; POLLS]> {
    let count = from.len();
    (0..count.pow(POLLS as u32))
        .map(move |number| std::array::from_fn(|index| from[number / count.pow(index as u32) % count]))
}

#[test]
fn each_sees_its_own() {
    in_each_task(|| async {
        lines();
        let layer = FiberLayer::new();
        let spans = [info_span!("first"), info_span!("second")];
        for outside in every(&OUTSIDE) {
            for steps in every(&STEPS).filter(|steps| is_distinct(&outside, steps)) {
                let ids = |numbers: &[usize]| Vec::from_iter(numbers.iter().map(|number| spans[*number].id().unwrap()));
                let parent = current(&ids(outside[0])).cloned();
                let inside = spans.clone();
                let mut call = Box::pin(layer.run(move || run(steps, &inside, parent)));
                for (index, numbers) in outside.into_iter().enumerate() {
                    let mut guards = Vec::from_iter(numbers.iter().map(|number| spans[*number].enter()));
                    let polled = poll_once(&mut call).await;
                    assert_eq!(polled.is_some(), index + 1 == POLLS, "{outside:?} {steps:?}");
                    let mut entered = ids(numbers);
                    while let Some(number) = numbers.get(guards.len().wrapping_sub(1)) {
                        assert_eq!(Span::current().id().as_ref(), current(&entered), "{outside:?} {steps:?}");
                        drop(guards.pop());
                        leave(&mut entered, &spans[*number].id().unwrap());
                    }
                    assert!(Span::current().is_none(), "{outside:?} {steps:?}");
                }
            }
        }
    });
}
