//! The few primitives that the loom tests replace by their own.

use std::sync::PoisonError;

#[cfg(not(sundown_loom))]
pub(crate) use std::sync::{Mutex, MutexGuard, OnceLock};

#[cfg(sundown_loom)]
pub(crate) use self::modelled::OnceLock;
#[cfg(sundown_loom)]
pub(crate) use loom::sync::{Mutex, MutexGuard};

/// Locks whether or not somebody panicked while holding it: what we keep under locks is whole
/// after every statement, and user code never runs under one.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(sundown_loom)]
mod modelled {
    //! `OnceLock` as loom must see it: the value is there once the flag, with its orderings, is.

    use loom::sync::atomic::{AtomicBool, Ordering};

    #[derive(Debug)]
    pub(crate) struct OnceLock<T> {
        is_set: AtomicBool,
        value: std::sync::OnceLock<T>,
    }

    impl<T> OnceLock<T> {
        pub(crate) fn new() -> Self {
            OnceLock { is_set: AtomicBool::new(false), value: std::sync::OnceLock::new() }
        }

        pub(crate) fn get(&self) -> Option<&T> {
            if self.is_set.load(Ordering::Acquire) { self.value.get() } else { None }
        }

        pub(crate) fn set(&self, value: T) -> Result<(), T> {
            self.value.set(value)?;
            self.is_set.store(true, Ordering::Release);
            Ok(())
        }
    }
}
