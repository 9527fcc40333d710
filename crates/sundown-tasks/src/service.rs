//! The service: takes tasks in, has them run, and takes part in the shutdown.

use std::convert::Infallible;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use sundown::{Deadline, Phase, Shutdown, ShutdownCoordinator};

use crate::attempt::Attempts;
use crate::decline::Declines;
use crate::dispatch::dispatch;
use crate::drain;
use crate::follow::Lookout;
use crate::intake::{Refused, Request, Started, answer, lost};
use crate::keeper::Keeper;
use crate::kind::{Kind, Kinds};
use crate::serving::Serving;
use crate::settings::{Settings, StartError};
use crate::store::{
    Change, Counts, Ending, Enqueued, Entry, Filter, Operation, Selected, Selection, Store,
    StoreError,
};
use crate::{Fence, TaskId, metrics};

/// Runs durable tasks; cheap to clone.
///
/// See the [front page](crate) for how it is used.
#[derive(Clone)]
pub struct TaskService(Arc<Service>);

pub(crate) struct Service {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) kinds: Kinds,
    pub(crate) settings: Settings,
    pub(crate) attempts: Arc<Attempts>,
    pub(crate) declines: Declines,
    serving: Arc<Serving>,
    pub(crate) keeper: Keeper,
    pub(crate) shutdown: Shutdown,
    /// When running tasks are told to stop, once that is known.
    pub(crate) drain_deadline: Arc<OnceLock<Deadline>>,
    pub(crate) account: Mutex<Account>,
    pub(crate) lookout: Lookout,
}

/// What became of tasks from the beginning of the shutdown on.
#[derive(Debug, Default, Clone)]
pub(crate) struct Account {
    pub(crate) ended: Vec<TaskId>,
    pub(crate) given_back: Vec<TaskId>,
}

impl TaskService {
    /// Starts it: from now on it claims tasks of these kinds, and it is part of the shutdown.
    ///
    /// # Errors
    ///
    /// Settings with which nothing would run, two kinds of one name, a name that the shutdown has
    /// already.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    #[expect(clippy::needless_pass_by_value, reason = "a layer takes the coordinator, as all do")]
    pub fn start(
        coordinator: Arc<dyn ShutdownCoordinator>,
        store: Arc<dyn Store>,
        kinds: impl IntoIterator<Item = Kind>,
        settings: Settings,
    ) -> Result<Self, StartError> {
        settings.check()?;
        metrics::describe();
        let kinds = Kinds::new(kinds).map_err(|kind| StartError::KindTwice { kind })?;
        let attempts = Arc::<Attempts>::default();
        let serving = Arc::new(Serving::new(kinds.routes()));
        let shared = serving.clone();
        let keeper =
            Keeper::start(&coordinator, store.clone(), attempts.clone(), shared, &settings)
                .map_err(StartError::Keeper)?;
        let service = Arc::new(Service {
            store,
            kinds,
            settings,
            attempts,
            declines: Declines::default(),
            serving,
            keeper,
            shutdown: coordinator.shutdown(),
            drain_deadline: Arc::default(),
            account: Mutex::default(),
            lookout: Lookout::default(),
        });
        drain::join(&*coordinator, &service)?;
        let name = format!("{} dispatcher", service.settings.name);
        let dispatcher = service.clone();
        drop(coordinator.supervise(name, async move {
            dispatch(dispatcher).await;
            Ok::<(), Infallible>(())
        }));
        Ok(TaskService(service))
    }

    /// Who takes part in the shutdown for a service of this name, in which phase, with how much
    /// time at least: for those who show a plan before they start. The one in `release` is a hook.
    pub fn outline(name: &str) -> [(String, Phase, Duration); 3] {
        drain::outline(name)
    }

    /// Takes a task in. When it answers, the task is on disk, and will be run: here or elsewhere,
    /// whatever happens to this process.
    ///
    /// # Errors
    ///
    /// See [`Refused`].
    pub async fn start_task(&self, request: Request) -> Result<Started, Refused> {
        self.one(request, Door::Front).await
    }

    /// Takes several in, in one step; each is answered by itself.
    ///
    /// # Errors
    ///
    /// When the store does not answer.
    pub async fn start_batch(
        &self,
        requests: Vec<Request>,
    ) -> Result<Vec<Result<Started, Refused>>, StoreError> {
        self.many(requests, Door::Front).await
    }

    /// As [`start_task`](Self::start_task), for requests that come from outside while the service
    /// stops: where other processes share the store it is still taken in, for them to run.
    ///
    /// # Errors
    ///
    /// See [`Refused`].
    pub async fn hand_in(&self, request: Request) -> Result<Started, Refused> {
        self.one(request, Door::Outside).await
    }

    /// As [`start_batch`](Self::start_batch), likewise.
    ///
    /// # Errors
    ///
    /// When the store does not answer.
    pub async fn hand_in_batch(
        &self,
        requests: Vec<Request>,
    ) -> Result<Vec<Result<Started, Refused>>, StoreError> {
        self.many(requests, Door::Outside).await
    }

    async fn one(&self, request: Request, door: Door) -> Result<Started, Refused> {
        let mut answers = self.many(vec![request], door).await?;
        answers.pop().unwrap_or(Err(Refused::Store(StoreError::Closed)))
    }

    async fn many(
        &self,
        requests: Vec<Request>,
        door: Door,
    ) -> Result<Vec<Result<Started, Refused>>, StoreError> {
        let service = &self.0;
        let is_closed = service.shutdown.is_shutting_down()
            && (door == Door::Front || !service.store.is_shared());
        let checked = requests.into_iter().map(|request| {
            if is_closed { Err(Refused::ShuttingDown) } else { request.check(&service.kinds) }
        });
        let mut answers: Vec<Result<Started, Refused>> = Vec::new();
        let mut places = Vec::new();
        let (mut tasks, mut kinds) = (Vec::new(), Vec::new());
        for (place, checked) in checked.enumerate() {
            match checked {
                Ok(task) => {
                    kinds.push(task.kind.clone());
                    tasks.push(task);
                    places.push(place);
                    // Replaced below, when the store has answered.
                    answers.push(Err(Refused::ShuttingDown));
                }
                Err(refused) => answers.push(Err(refused.count())),
            }
        }
        if !tasks.is_empty() {
            let limit = service.settings.queue_limit;
            let enqueued = service.store.enqueue(tasks, limit).await;
            let enqueued = enqueued.map_err(|error| lost(error, places.len()))?;
            for ((place, kind), enqueued) in places.into_iter().zip(kinds).zip(enqueued) {
                if let Enqueued::New(_) = enqueued {
                    metrics::enqueued(&kind);
                }
                let answered = answer(enqueued, &service.settings.urls, limit);
                answers[place] = answered.map_err(Refused::count);
            }
        }
        Ok(answers)
    }

    /// Ends a task, or has it ended: one that runs is told to stop, wherever it runs, within about half
    /// a second, and has 5 s to obey. One that [blocks a thread](Kind::blocking) ends when it returns.
    ///
    /// # Errors
    ///
    /// When the store does not answer.
    pub async fn cancel(&self, task: TaskId) -> Result<Change, StoreError> {
        let change = self.0.store.cancel(task).await?;
        if let Change::Now(_) = change {
            self.0.attempts.cancel_task(task);
        }
        Ok(change)
    }

    /// Lets a task that failed, died or was cancelled begin again.
    ///
    /// # Errors
    ///
    /// When the store does not answer.
    pub async fn requeue(&self, task: TaskId) -> Result<Change, StoreError> {
        self.0.store.requeue(task).await
    }

    /// Forgets a task that is over.
    ///
    /// # Errors
    ///
    /// When the store does not answer.
    pub async fn discard(&self, task: TaskId) -> Result<Change, StoreError> {
        self.0.store.discard(task).await
    }

    /// Changes all selected tasks, in one step. Running ones that are cancelled are told so within
    /// about half a second.
    ///
    /// # Errors
    ///
    /// When the store does not answer.
    pub async fn change_all(
        &self,
        operation: Operation,
        selection: Selection,
    ) -> Result<Selected, StoreError> {
        self.0.store.change_all(operation, selection).await
    }

    /// Counts all selected tasks.
    ///
    /// # Errors
    ///
    /// When the store does not answer.
    pub async fn count_all(&self, selection: Selection) -> Result<Selected, StoreError> {
        self.0.store.count_all(selection).await
    }

    /// A task as it stands.
    ///
    /// # Errors
    ///
    /// When the store does not answer.
    pub async fn get(&self, task: TaskId) -> Result<Option<Entry>, StoreError> {
        let found = self.0.store.get(task).await?;
        Ok(found.map(|entry| self.with_wait(entry)))
    }

    /// Tasks, the newest first.
    ///
    /// # Errors
    ///
    /// When the store does not answer.
    pub async fn list(&self, filter: Filter) -> Result<Vec<Entry>, StoreError> {
        let found = self.0.store.list(filter).await?;
        Ok(found.into_iter().map(|entry| self.with_wait(entry)).collect())
    }

    fn with_wait(&self, entry: Entry) -> Entry {
        Entry { waits_for: self.0.serving.waits_for(&entry), ..entry }
    }

    /// How many tasks there are.
    ///
    /// # Errors
    ///
    /// When the store does not answer.
    pub async fn counts(&self) -> Result<Counts, StoreError> {
        self.0.store.counts().await
    }

    /// Whether the store does what it is asked, and those who ask it are alive: for a readiness check.
    pub fn is_healthy(&self) -> bool {
        self.0.keeper.health().is_good()
    }

    /// How many tasks this process has claimed or runs.
    pub fn active(&self) -> usize {
        self.0.attempts.len()
    }

    /// Those tasks, with their kinds and how long each has been here.
    pub fn active_tasks(&self) -> Vec<(TaskId, String, Duration)> {
        let list = self.0.attempts.list().into_iter();
        list.map(|(fence, kind, age)| (fence.task, kind, age)).collect()
    }

    pub(crate) fn inner(&self) -> &Arc<Service> {
        &self.0
    }
}

/// Which way a request came.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Door {
    /// From the application itself.
    Front,
    /// From a client.
    Outside,
}

impl Service {
    /// An attempt has ended so, if its word still counts.
    pub(crate) fn end(&self, fence: Fence, ending: Ending) {
        self.attempts.end(fence, ending, |ending| self.note(fence.task, ending));
    }

    /// Remembers what became of a task while the service stops.
    fn note(&self, task: TaskId, ending: &Ending) {
        if !self.shutdown.is_shutting_down() {
            return;
        }
        let mut account = self.account.lock().unwrap_or_else(PoisonError::into_inner);
        match ending {
            Ending::Interrupted { .. } | Ending::Declined { .. } | Ending::Returned => {
                account.given_back.push(task);
            }
            Ending::Succeeded(_)
            | Ending::Failed { .. }
            | Ending::FailedForGood { .. }
            | Ending::Stopped => account.ended.push(task),
        }
    }
}

impl fmt::Debug for TaskService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskService")
            .field("store", &self.0.store)
            .field("active", &self.active())
            .finish_non_exhaustive()
    }
}
