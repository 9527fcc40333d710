//! Why a store does not do what it is asked.

use thiserror::Error;

/// Why a store could not do what it was asked.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// It cannot be reached or written just now. It is worth another try.
    #[error("the task store is not available: {why}")]
    Unavailable {
        /// Why.
        why: String,
    },
    /// It is there and cannot be used.
    #[error("the task store cannot be used: {why}")]
    Broken {
        /// Why, and what to do.
        why: String,
    },
    /// It was closed.
    #[error("the task store is closed")]
    Closed,
}

impl StoreError {
    /// Whether it is worth another try.
    pub fn is_passing(&self) -> bool {
        matches!(self, StoreError::Unavailable { .. })
    }
}
