//! A call that is counted when it is made instead of at its first poll, because it is a part of the call that makes it.

use super::{Call, Stage, jobs::SendJob};
use crate::{fiber::Admission, settings::Settings};

impl<J: SendJob> Call<J> {
    /// The layer's limit does not hold the call back, and neither does the layer's end. Until the call has ended or is
    /// dropped, the layer is not drained.
    pub(crate) fn in_advance(job: J, settings: &Settings, label: &'static str) -> Self {
        let mut this = Self::new(job, Admission::in_advance(), settings, label);
        if let Stage::Own { call, .. } = &mut this.stage {
            call.fiber.open();
        }
        this
    }
}
