//! Components: work that runs from now on, is told to stop when its turn in the plan comes, and is
//! awaited until its deadline.

use std::fmt;
use std::future::Future;
use std::panic::resume_unwind;
use std::sync::Weak;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::panics::{Caught, quietly};
use crate::waiter::{BodyResult, Name};
use crate::{
    Cause, Coordinator, Deadline, Phase, PlanError, Shutdown, ShutdownCoordinator as _, Waiter,
    WaiterResult,
};

/// A part of the service that runs from now on. Made by [`Coordinator::component`].
///
/// Its body gets a [`Shutdown`] of its own, which begins when the component's turn in the plan
/// comes: with its phase ([`Phase::DRAIN`] unless told otherwise), and after the components it is
/// ordered [`after`](Self::after). From then on the plan waits for it until its deadline, and aborts
/// it there.
///
/// An error or a panic begins the shutdown, unless the component is [`optional`](Self::optional).
///
/// ```
/// # use std::time::Duration;
/// # use sundown::{Cause, Coordinator, Phase};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let coordinator = Coordinator::builder().build()?;
/// let (orders, mut queue) = tokio::sync::mpsc::channel::<u32>(64);
///
/// // The producer stops first; what it has put into the queue is executed all the same.
/// coordinator.component("intake").run(move |stop| async move {
///     while let Some(()) = stop.until(tokio::time::sleep(Duration::from_millis(1))).await {
///         let _ = orders.send(7).await;
///     }
/// })?;
/// coordinator.component("executor").after("intake").run(|_stop| async move {
///     while let Some(order) = queue.recv().await {
///         println!("executing order {order}");
///     }
/// })?;
/// # coordinator.initiate(Cause::requested("doc test"));
/// # assert!(coordinator.run().await.is_clean());
/// # Ok(())
/// # }
/// ```
#[must_use = "a component does nothing until `run`"]
pub struct Component<'a> {
    coordinator: &'a Coordinator,
    name: Name,
    after: Vec<String>,
    is_optional: bool,
    /// Phase, least time and fallback; its body is replaced by `run`.
    settings: Waiter,
}

impl Coordinator {
    /// Begins a component of this name, as it will stand in logs and reports.
    pub fn component(&self, name: impl Into<Name>) -> Component<'_> {
        let name = name.into();
        let settings = Waiter::new(name.clone(), |_deadline| async {});
        Component { coordinator: self, name, after: Vec::new(), is_optional: false, settings }
    }
}

impl Component<'_> {
    /// The phase in which it is told to stop; by default [`Phase::DRAIN`].
    pub fn in_phase(mut self, phase: Phase) -> Self {
        self.settings = self.settings.in_phase(phase);
        self
    }

    /// It is told to stop only when this component, waiter or layer of its phase has ended.
    pub fn after(mut self, name: impl Into<String>) -> Self {
        self.after.push(name.into());
        self
    }

    /// The least time it needs to stop, as [`Waiter::least`].
    pub fn least(mut self, least: Duration) -> Self {
        self.settings = self.settings.least(least);
        self
    }

    /// Runs when the component fails, panics or misses its deadline, as [`Waiter::fallback`].
    pub fn fallback<F, Fut>(mut self, body: F) -> Self
    where
        F: FnOnce(Deadline) -> Fut + Send + 'static,
        Fut: Future<Output: WaiterResult> + Send + 'static,
    {
        self.settings = self.settings.fallback(body);
        self
    }

    /// The service can live without it: an error or a panic is reported and begins no shutdown.
    pub fn optional(mut self) -> Self {
        self.is_optional = true;
        self
    }

    /// Runs it from now on.
    ///
    /// # Errors
    ///
    /// As [`register_waiter`](crate::ShutdownCoordinator::register_waiter) and
    /// [`order`](Coordinator::order). Nothing runs then.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn run<F, Fut>(self, body: F) -> Result<(), PlanError>
    where
        F: FnOnce(Shutdown) -> Fut,
        Fut: Future<Output: WaiterResult> + Send + 'static,
    {
        let Component { coordinator, name, after, is_optional, settings } = self;
        let stop = Shutdown::new();
        let (result, ended) = oneshot::channel();
        let turn = Turn { stop: stop.clone(), root: coordinator.shutdown(), ended };
        let waiter = settings.with_body(move |deadline| turn.stop_and_wait(deadline));
        let registration = coordinator.register_waiter(waiter)?;
        let order = |before| coordinator.order([before, name.to_string()]);
        if let Err(error) = after.into_iter().try_for_each(order) {
            registration.unregister();
            return Err(error);
        }
        let owner = if is_optional { Weak::new() } else { coordinator.me.clone() };
        let task = run_until_dropped(name.clone(), body(stop), result, owner);
        coordinator.work().spawn_component(name, task);
        Ok(())
    }
}

/// How the body ended: its result, or the message of its panic.
type Ended = Result<BodyResult, String>;

/// Runs the body and sends its result, unless the waiter gives it up first.
async fn run_until_dropped(
    name: Name,
    body: impl Future<Output: WaiterResult>,
    mut result: oneshot::Sender<Ended>,
    owner: Weak<Coordinator>,
) {
    let ended = tokio::select! {
        biased;
        ended = Caught { future: body } => ended.map(WaiterResult::into_result),
        () = result.closed() => return,
    };
    let error = match &ended {
        Ok(Ok(_)) => None,
        Ok(Err(error)) => Some(format!("{error:#}")),
        Err(panic) => Some(format!("panicked: {panic}")),
    };
    // The result first: the plan may come to this component at once.
    let _ = result.send(ended);
    if let Some(error) = error {
        quietly(|| tracing::error!(component = %name, %error, "component failed"));
        if let Some(owner) = owner.upgrade() {
            owner.initiate(Cause::failed(name, error));
        }
    }
}

/// A component's part in the plan.
struct Turn {
    stop: Shutdown,
    root: Shutdown,
    ended: oneshot::Receiver<Ended>,
}

impl Turn {
    /// Tells the body to stop and waits for its result. Dropping this drops the body.
    async fn stop_and_wait(self, deadline: Deadline) -> BodyResult {
        if let Some(cause) = self.root.cause() {
            self.stop.begin(cause.clone(), Some(deadline));
        }
        match self.ended.await {
            Ok(Ok(result)) => result,
            // The driver reads the message of the panic from it.
            Ok(Err(panic)) => resume_unwind(Box::new(panic)),
            Err(_) => Err("its task was dropped with its runtime".into()),
        }
    }
}

impl fmt::Debug for Component<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Component").field("name", &self.name).finish_non_exhaustive()
    }
}
