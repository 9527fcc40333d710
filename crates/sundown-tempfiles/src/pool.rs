//! Work on tokio's pool for blocking calls.

use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::spawn_blocking;

/// The runtime ended before the work could be done.
#[derive(Debug)]
pub(crate) struct Stopping;

/// Runs the function where it may block; its panic is the caller's.
pub(crate) async fn blocking<R: Send + 'static>(
    function: impl FnOnce() -> R + Send + 'static,
) -> Result<R, Stopping> {
    match spawn_blocking(function).await {
        Ok(result) => Ok(result),
        Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
        Err(_) => Err(Stopping),
    }
}

/// The same with a value that is given back when the runtime ends before.
pub(crate) async fn blocking_with<T: Send + 'static, R: Send + 'static>(
    value: T,
    function: impl FnOnce(T) -> R + Send + 'static,
) -> Result<R, T> {
    let slot = Arc::new(Mutex::new(Some(value)));
    let taken = slot.clone();
    let run = move || locked(&taken).take().map(function);
    match blocking(run).await {
        Ok(Some(result)) => Ok(result),
        Ok(None) | Err(Stopping) => {
            Err(locked(&slot).take().expect("only the function takes it, and it was not run"))
        }
    }
}

pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
