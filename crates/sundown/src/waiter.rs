//! Waiters: named participants that the shutdown waits for, and hooks, which are waiters with a
//! priority.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::pending::PendingFn;
use crate::sync::{Mutex, locked};
use crate::{BoxError, Deadline, HandedBack, Pending, Phase, WaiterResult};

/// The name of a participant, as it stands in logs and reports.
pub(crate) type Name = Cow<'static, str>;
pub(crate) type BodyResult = Result<HandedBack, BoxError>;
pub(crate) type AsyncBody =
    Box<dyn FnOnce(Deadline) -> Pin<Box<dyn Future<Output = BodyResult> + Send>> + Send>;

/// What a waiter does.
pub(crate) enum Body {
    Async(AsyncBody),
    /// On a thread.
    Blocking(Call),
}

/// In which order the hooks of a phase run: one after the other, `Critical` first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Priority {
    /// Saving what would be lost.
    Critical,
    /// What others wait for.
    High,
    /// Anything else.
    Normal,
    /// Taking leave: connections, registrations.
    Low,
    /// Tidying up.
    Cleanup,
}

/// A named participant that the shutdown waits for, until its deadline and no longer.
///
/// A waiter runs in [`Phase::DRAIN`] unless told otherwise, in parallel with the others of its
/// phase unless the application [ordered](crate::Coordinator::order) them. Panics, errors and
/// missed deadlines end up in the report and stop nobody else.
///
/// ```
/// use std::time::Duration;
/// use sundown::{Phase, Waiter};
///
/// # struct Ledger;
/// # impl Ledger {
/// #   async fn save(&self) -> std::io::Result<()> { Ok(()) }
/// #   fn save_locally(&self) -> std::io::Result<()> { Ok(()) }
/// # }
/// # let ledger = std::sync::Arc::new(Ledger);
/// # let spare = ledger.clone();
/// let waiter = Waiter::new("ledger", move |_deadline| async move { ledger.save().await })
///     .in_phase(Phase::FLUSH)
///     .least(Duration::from_secs(1))
///     .fallback(move |_deadline| async move { spare.save_locally() });
/// ```
#[must_use = "a waiter does nothing until it is registered"]
pub struct Waiter {
    pub(crate) name: Name,
    pub(crate) phase: Option<Phase>,
    pub(crate) least: Duration,
    pub(crate) priority: Option<Priority>,
    pub(crate) body: Body,
    pub(crate) fallback: Option<Fallback>,
    pub(crate) pending: Option<PendingFn>,
}

/// A body that needs no runtime, for whoever takes it first.
#[derive(Clone)]
pub(crate) struct Call(Arc<Mutex<Option<CallBody>>>);

pub(crate) type CallBody = Box<dyn FnOnce(Deadline) -> BodyResult + Send>;

impl Call {
    fn new(body: impl FnOnce(Deadline) -> BodyResult + Send + 'static) -> Self {
        Call(Arc::new(Mutex::new(Some(Box::new(body)))))
    }

    pub(crate) fn take(&self) -> Option<CallBody> {
        locked(&self.0).take()
    }

    /// Runs it here, if nobody has taken it.
    pub(crate) fn run(&self, deadline: Deadline) -> BodyResult {
        match self.take() {
            Some(body) => body(deadline),
            None => Err("it ran already, when the process was to be ended".into()),
        }
    }
}

pub(crate) struct Fallback {
    pub(crate) body: Body,
    pub(crate) least: Duration,
}

impl Waiter {
    /// A waiter whose body is async. The body gets its deadline and starts when its phase does,
    /// or when what it is ordered after has ended.
    pub fn new<F, Fut>(name: impl Into<Cow<'static, str>>, body: F) -> Self
    where
        F: FnOnce(Deadline) -> Fut + Send + 'static,
        Fut: Future<Output: WaiterResult> + Send + 'static,
    {
        Waiter {
            name: name.into(),
            phase: None,
            least: Duration::ZERO,
            priority: None,
            body: boxed(body),
            fallback: None,
            pending: None,
        }
    }

    /// A waiter whose body is an ordinary function or closure. It runs on tokio's pool for
    /// blocking calls, so it may block. It cannot be aborted: past its deadline it is reported
    /// and left behind. One in [`Phase::FLUSH`] is run even when the runtime is blocked to the end: on a
    /// thread of its own, in the moment that is kept back of the cap for the last words.
    pub fn blocking<F, R>(name: impl Into<Cow<'static, str>>, body: F) -> Self
    where
        F: FnOnce(Deadline) -> R + Send + 'static,
        R: WaiterResult + 'static,
    {
        let call = Call::new(|deadline| body(deadline).into_result());
        Waiter { body: Body::Blocking(call), ..Waiter::new(name, |_deadline| async {}) }
    }

    /// The same waiter with another body.
    pub(crate) fn with_body<F, Fut>(mut self, body: F) -> Self
    where
        F: FnOnce(Deadline) -> Fut + Send + 'static,
        Fut: Future<Output: WaiterResult> + Send + 'static,
    {
        self.body = boxed(body);
        self
    }

    /// Runs in this phase. Without it: `drain`, and for a hook `release`.
    pub fn in_phase(mut self, phase: Phase) -> Self {
        self.phase = Some(phase);
        self
    }

    /// The least time it needs. Whatever runs before it ends early enough to leave that much; a
    /// plan in which it cannot fit is refused.
    pub fn least(mut self, least: Duration) -> Self {
        self.least = least;
        self
    }

    /// Runs when the body fails, panics or times out. A good fallback makes the outcome
    /// [`Recovered`](crate::Outcome::Recovered). Some of the waiter's time is kept back for it.
    pub fn fallback<F, Fut>(self, body: F) -> Self
    where
        F: FnOnce(Deadline) -> Fut + Send + 'static,
        Fut: Future<Output: WaiterResult> + Send + 'static,
    {
        self.fallback_with_least(Duration::ZERO, body)
    }

    /// The same, with the least time that the fallback needs.
    pub fn fallback_with_least<F, Fut>(mut self, least: Duration, body: F) -> Self
    where
        F: FnOnce(Deadline) -> Fut + Send + 'static,
        Fut: Future<Output: WaiterResult> + Send + 'static,
    {
        self.fallback = Some(Fallback { body: boxed(body), least });
        self
    }

    /// Says what the waiter is still waiting for: the requests, the tasks. It is called when somebody
    /// looks (logs, live view, `GET /shutdown`) and when the waiter is cut off, on a thread of its own.
    /// One that takes longer than a few milliseconds is not waited for.
    pub fn pending(mut self, pending: impl Fn() -> Pending + Send + Sync + 'static) -> Self {
        self.pending = Some(PendingFn::new(pending));
        self
    }

    /// Makes it a hook: it runs alone, after the waiters of its phase, in the order of priority
    /// and, within one, of registration.
    pub fn as_hook(mut self, priority: Priority) -> Self {
        self.priority = Some(priority);
        self
    }
}

impl fmt::Debug for Waiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiter")
            .field("name", &self.name)
            .field("phase", &self.phase)
            .field("least", &self.least)
            .field("priority", &self.priority)
            .finish_non_exhaustive()
    }
}

fn boxed<F, Fut>(body: F) -> Body
where
    F: FnOnce(Deadline) -> Fut + Send + 'static,
    Fut: Future<Output: WaiterResult> + Send + 'static,
{
    Body::Async(Box::new(|deadline| {
        let future = body(deadline);
        Box::pin(async move { future.await.into_result() })
    }))
}
