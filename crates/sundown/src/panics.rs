//! Panics of others: what they said, and how to go on.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Does it, or does nothing if that panics.
pub(crate) fn quietly(others: impl FnOnce()) {
    let _ = catch_unwind(AssertUnwindSafe(others));
}

/// The message of a caught panic.
pub(crate) fn message_of(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned())
}
