//! Owned work: tasks with a name, listed while they block the shutdown, aborted at its deadline.

mod list;
mod since;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use tokio::task::JoinHandle;

pub(crate) use self::list::StillRunning;
use self::list::{Entry, List, Ticket};
use self::since::Since;
use crate::Cause;
use crate::contract::ShutdownCoordinator;
use crate::panics::{Caught, quietly};
use crate::waiter::Name;

/// The tasks that a coordinator owns. Cheap to clone; a clone is the same list.
#[derive(Clone)]
pub struct Work {
    list: Arc<List>,
    owner: Weak<dyn ShutdownCoordinator>,
}

impl Work {
    /// An empty list. Its owner is told when a supervised task fails.
    pub fn new(owner: Weak<dyn ShutdownCoordinator>) -> Self {
        Work { list: Arc::default(), owner }
    }

    /// Runs the future as a task of this list. Once the list is closed, at the end of `drain`, the
    /// future is dropped unpolled, and its handle says that it was aborted.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn spawn<F>(&self, name: impl Into<Name>, future: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let (name, since) = (name.into(), Since::now());
        let Some(ticket) = self.list.ticket() else {
            quietly(|| tracing::warn!(work = %name, "spawned too late: it is not run"));
            return aborted();
        };
        let id = ticket.id;
        #[expect(clippy::disallowed_methods, reason = "this list is the owner")]
        let task = tokio::spawn(Owned { future, ticket });
        self.list.publish(id, Entry { name, since, abort: task.abort_handle() });
        task
    }

    /// Runs a component's future: it is named while it blocks a runtime thread, and is otherwise no
    /// owned work, because the plan waits for it under its own name.
    pub(crate) fn spawn_component(
        &self,
        name: Name,
        future: impl Future<Output = ()> + Send + 'static,
    ) {
        let ticket = self.list.component_ticket();
        let (id, since) = (ticket.id, Since::now());
        #[expect(clippy::disallowed_methods, reason = "its waiter is the owner")]
        let task = tokio::spawn(Owned { future, ticket });
        self.list.publish(id, Entry { name, since, abort: task.abort_handle() });
    }

    /// Runs the future as a task of this list whose error or panic begins the shutdown.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn supervise<F, E>(&self, name: impl Into<Name>, future: F) -> JoinHandle<()>
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: fmt::Display + Send + 'static,
    {
        let name = name.into();
        let (owner, component) = (self.owner.clone(), name.clone());
        let list = self.list.clone();
        self.spawn(name, async move {
            let error = match (Caught { future }).await {
                Ok(Ok(())) => return,
                Ok(Err(error)) => format!("{error:#}"),
                Err(panic) => format!("panicked: {panic}"),
            };
            quietly(|| tracing::error!(%component, %error, "component failed; shutting down"));
            if let Some(owner) = owner.upgrade() {
                owner.initiate(Cause::failed(component.clone(), &error));
            }
            list.has_failed(component, error);
        })
    }

    /// How many are running.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether none is running.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn was_used(&self) -> bool {
        self.list.was_used()
    }

    /// Those still running, the oldest first.
    pub(crate) fn running(&self) -> Vec<StillRunning> {
        self.list.running()
    }

    /// The same without waiting for a lock.
    pub(crate) fn try_running(&self) -> Option<Vec<StillRunning>> {
        self.list.try_running()
    }

    /// Waits until none is running and none is to come, and closes the list.
    pub(crate) async fn close_when_empty(&self) {
        self.list.close_when_empty().await;
    }

    /// Nobody is expected to spawn any more.
    pub(crate) fn free(&self) {
        self.list.free();
    }

    /// Names and errors of tasks that panicked, or failed under supervision, since the shutdown
    /// began.
    pub(crate) fn failures(&self) -> Vec<(Name, String)> {
        self.list.failures()
    }

    pub(crate) fn forget_failures(&self) {
        self.list.forget_failures();
    }

    /// How many came too late.
    pub(crate) fn refused(&self) -> u64 {
        self.list.refused()
    }

    /// Aborts those that are left, and whatever is spawned from now on.
    pub(crate) fn close(&self) -> Vec<StillRunning> {
        self.list.close()
    }
}

/// The handle of a task that never ran.
fn aborted<T: Send + 'static>() -> JoinHandle<T> {
    #[expect(clippy::disallowed_methods, reason = "it is aborted where it is spawned")]
    let task = tokio::spawn(std::future::pending());
    task.abort();
    task
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Work").field("running", &self.len()).finish()
    }
}

pin_project! {
    /// The future first, the ticket after it: it is off the list once its destructors have run.
    struct Owned<F> {
        #[pin]
        future: F,
        ticket: Ticket,
    }
}

impl<F: Future> Future for Owned<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _here = this.ticket.list.running_here(this.ticket.id);
        this.future.poll(cx)
    }
}
