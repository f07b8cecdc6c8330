//! Fiber-locals: values that belong to a fiber as thread-locals belong to a thread.

use std::{
    any::Any,
    cell::RefCell,
    mem::{self, ManuallyDrop},
    rc::Rc,
};

use crate::util::drop_quietly::drop_quietly;

/// How often destructors may make new values before these are leaked.
const ROUNDS: u32 = 64;

/// The values in the order of their creation, each with the address of its key.
#[derive(Default)]
pub(crate) struct Locals(RefCell<Vec<(usize, Rc<dyn Any>)>>);

impl Locals {
    /// The value of this key; `init` makes it if there is none.
    pub(crate) fn get<T: 'static>(&self, key: usize, init: impl FnOnce() -> T) -> Rc<T> {
        self.find(key).unwrap_or_else(|| {
            // `init` may look up other values.
            let made = Rc::new(init());
            self.find(key).unwrap_or_else(|| {
                self.0.borrow_mut().push((key, Rc::clone(&made) as Rc<dyn Any>));
                made
            })
        })
    }

    fn find<T: 'static>(&self, key: usize) -> Option<Rc<T>> {
        let values = self.0.borrow();
        let (_, value) = values.iter().find(|(its, _)| *its == key)?;
        Some(Rc::clone(value).downcast().expect("each key has one type"))
    }

    /// Runs all destructors, newest value first.
    pub(crate) fn end(&self) {
        for _ in 0..ROUNDS {
            let values = mem::take(&mut *self.0.borrow_mut());
            if values.is_empty() {
                return;
            }
            values.into_iter().rev().for_each(drop_quietly);
        }
        let _leaked = ManuallyDrop::new(mem::take(&mut *self.0.borrow_mut()));
    }
}

impl Drop for Locals {
    fn drop(&mut self) {
        self.end();
    }
}
