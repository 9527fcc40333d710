//! The end: the hook that removes what is left, and names what was still in use.

use std::borrow::Cow;
use std::fmt;
use std::sync::Weak;
use std::time::Duration;

use sundown::{BoxError, Deadline, Priority, Waiter};
use tokio::time::{Instant, timeout};
use tracing::warn;

use crate::ledger::InUse;
use crate::metrics;
use crate::pool::blocking;
use crate::service::Inner;

/// Tasks that were aborted just now get this long to drop what they hold.
const PATIENCE: Duration = Duration::from_millis(500);
/// So many are named in the error and the logs.
const NAMED: usize = 20;

/// The last participant of `release`, among those that tidy up.
pub(crate) fn release_hook(name: Cow<'static, str>, inner: Weak<Inner>) -> Waiter {
    let hook = move |deadline| async move {
        match inner.upgrade() {
            Some(inner) => release(&inner, deadline).await,
            None => Ok(()),
        }
    };
    Waiter::new(name, hook).as_hook(Priority::Cleanup)
}

async fn release(inner: &std::sync::Arc<Inner>, deadline: Deadline) -> Result<(), BoxError> {
    inner.ledger().close();
    let patience = (deadline.left() / 2).min(PATIENCE);
    let _ = timeout(patience, inner.until_nobody_is_missed()).await;
    let missed = StillInUse(inner.ledger().missed(Instant::now()));
    missed.log();

    let removing = inner.clone();
    let removed = blocking(move || removing.remove_everything()).await;
    let path = inner.own.path.display();
    match removed {
        Ok(Ok(())) if missed.0.is_empty() => Ok(()),
        Ok(Ok(())) => Err(missed.into()),
        Ok(Err(error)) => {
            let and = if missed.0.is_empty() { String::new() } else { format!("; {missed}") };
            Err(format!("cannot remove {path}: {error} (the next start tries again){and}").into())
        }
        Err(_) => Err(format!("cannot remove {path}: the runtime is stopping").into()),
    }
}

/// Files that were removed under the hands of their users.
#[derive(Debug)]
struct StillInUse(Vec<InUse>);

impl StillInUse {
    fn log(&self) {
        metrics::in_use_at_release(self.0.len());
        for InUse { name, age, bytes } in self.0.iter().take(NAMED) {
            warn!(name, ?age, bytes, "temporary file still in use; removing it");
        }
    }
}

impl fmt::Display for StillInUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        let (files, were) = if count == 1 { ("file", "was") } else { ("files", "were") };
        write!(f, "{count} temporary {files} {were} still in use: ")?;
        for (index, InUse { name, age, .. }) in self.0.iter().take(NAMED).enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            write!(f, "{comma}{name} ({:.1} s)", age.as_secs_f64())?;
        }
        if count > NAMED {
            write!(f, " and {} more", count - NAMED)?;
        }
        f.write_str("; drop or persist them before `release`, or say that they are `for_life`")
    }
}

impl std::error::Error for StillInUse {}
