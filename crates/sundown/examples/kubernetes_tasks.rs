//! A task service for Kubernetes: told at once, waited for, and probed while it drains.
//!
//! The service knows only the trait. It registers twice: a notification that stops the intake the
//! moment the pod is told to go, and a waiter that lasts until its active tasks are through. From
//! then on `/readyz` answers 503, so that the pod gets no more traffic, while `/healthz` stays
//! 200, so that it is not killed for being on its way out.
//!
//! Run `cargo run --example kubernetes_tasks [SECONDS]`, where each task takes that long, and
//! press Ctrl-C or send SIGTERM: a new task is refused, active ones finish, the exit code is 0.
//! The whole stop ends within `GRACEFUL_SHUTDOWN_TIMEOUT` seconds (600 unless set); keep the pod's
//! `terminationGracePeriodSeconds` above it. With `--testing` the same service runs once under
//! the no-op coordinator.

use std::sync::Arc;
use std::time::Duration;
use std::{env, thread};

use sundown::{
    BoxError, Cause, Coordinator, Deadline, Exit, NoopCoordinator, PlanError, Shutdown,
    ShutdownCoordinator, Waiter,
};
use thiserror::Error;
use tokio::sync::watch;
use tokio::time::sleep;

const CAPACITY: usize = 4;

#[tokio::main]
async fn main() -> Exit {
    Exit::of(match env::args().nth(1).as_deref() {
        None => serve(Duration::from_millis(500)).await,
        Some("--testing") => try_out().await,
        Some(seconds) => match seconds.parse() {
            Ok(seconds) => serve(Duration::from_secs(seconds)).await,
            Err(_) => Err(format!("`{seconds}` is neither --testing nor whole seconds").into()),
        },
    })
}

async fn serve(lasts: Duration) -> Result<Exit, BoxError> {
    let coordinator = Coordinator::builder().build()?;
    coordinator.listen_for_signals()?;

    let service = TaskService::start(coordinator.clone())?;
    coordinator.spawn("client", client(service.clone(), coordinator.shutdown(), lasts));
    coordinator.check()?;
    show_probes(&coordinator.shutdown(), &service);

    let report = coordinator.run().await;
    report.print();
    Ok(report.exit())
}

/// Testing mode: nothing ever shuts down, and nothing has to be faked for that.
async fn try_out() -> Result<Exit, BoxError> {
    let coordinator: Arc<dyn ShutdownCoordinator> = Arc::new(NoopCoordinator::new());
    let service = TaskService::start(coordinator.clone())?;
    println!("testing mode: initiate answers {}", coordinator.initiate(Cause::requested("test")));

    let started = service.start_task(async { sleep(Duration::from_millis(20)).await })?;
    service.idle().await;
    println!("task {} ran", started.id);
    show_probes(&coordinator.shutdown(), &service);

    service.start_task(async { panic!("a task of this test fails on purpose") })?;
    service.idle().await;
    show_probes(&coordinator.shutdown(), &service);
    Ok(Exit::Clean)
}

/// Starts tasks until it is told that the service is going.
async fn client(service: Arc<TaskService>, shutdown: Shutdown, lasts: Duration) {
    loop {
        match service.start_task(sleep(lasts)) {
            Ok(Started { id, stream_url }) => println!("POST /tasks -> {id}, see {stream_url}"),
            Err(refused) => {
                println!("POST /tasks -> refused: {refused}");
                if matches!(refused, Refused::ShuttingDown) {
                    return show_probes(&shutdown, &service);
                }
            }
        }
        sleep(Duration::from_millis(200)).await;
    }
}

fn show_probes(shutdown: &Shutdown, service: &TaskService) {
    for (path, (status, body)) in [("/readyz", readyz(shutdown, service)), ("/healthz", healthz())]
    {
        println!("GET {path} -> {status} {body}");
    }
}

/// Whether the pod should get traffic.
fn readyz(shutdown: &Shutdown, service: &TaskService) -> (u16, &'static str) {
    if shutdown.is_shutting_down() {
        (503, "shutting down")
    } else if !service.is_healthy() {
        (503, "task service unhealthy")
    } else {
        (200, "ready")
    }
}

/// Whether the pod should be left alive: always, and above all while it drains.
fn healthz() -> (u16, &'static str) {
    (200, "alive")
}

#[derive(Debug, Error)]
enum Refused {
    #[error("service is shutting down")]
    ShuttingDown,
    #[error("all {CAPACITY} workers are busy")]
    Busy,
}

struct Started {
    id: u32,
    stream_url: String,
}

/// All that the service decides by, behind one lock: no task slips in once the intake is closed.
struct Intake {
    is_open: bool,
    is_healthy: bool,
    active: usize,
    last_id: u32,
}

struct TaskService {
    intake: watch::Sender<Intake>,
    coordinator: Arc<dyn ShutdownCoordinator>,
}

impl TaskService {
    /// Starts the service and registers it.
    fn start(coordinator: Arc<dyn ShutdownCoordinator>) -> Result<Arc<Self>, PlanError> {
        let intake = Intake { is_open: true, is_healthy: true, active: 0, last_id: 0 };
        let service = Arc::new(TaskService { coordinator, intake: watch::Sender::new(intake) });
        let told = service.clone();
        service.coordinator.register_notification("tasks", move |cause| told.stop_accepting(cause));
        let drained = service.clone();
        let waiter = Waiter::new("tasks", |deadline| async move { drained.drain(deadline).await });
        service.coordinator.register_waiter(waiter)?;
        Ok(service)
    }

    /// The waiter: lasts until the active tasks are through; the coordinator watches the time.
    async fn drain(&self, deadline: Deadline) {
        let active = self.intake.borrow().active;
        println!("tasks: {active} active, at most {:.1?} left", deadline.left());
        self.idle().await;
    }

    /// Must not block: it only closes the door.
    fn stop_accepting(&self, cause: &Cause) {
        self.intake.send_modify(|intake| intake.is_open = false);
        println!("tasks: {cause}, no new tasks from here on");
    }

    fn start_task<F>(self: &Arc<Self>, task: F) -> Result<Started, Refused>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let mut admitted = Err(Refused::ShuttingDown);
        self.intake.send_modify(|intake| admitted = intake.admit());
        let id = admitted?;
        let ticket = Ticket { service: self.clone() };
        // The coordinator owns it: named while it blocks, aborted at the deadline.
        self.coordinator.spawn(format!("task {id}"), async move {
            let _ticket = ticket;
            task.await;
            println!("task {id}: done");
        });
        Ok(Started { id, stream_url: format!("/tasks/{id}/stream") })
    }

    async fn idle(&self) {
        let mut changes = self.intake.subscribe();
        changes.wait_for(|intake| intake.active == 0).await.expect("its sender is in `self`");
    }

    fn is_healthy(&self) -> bool {
        self.intake.borrow().is_healthy
    }
}

impl Intake {
    fn admit(&mut self) -> Result<u32, Refused> {
        if !self.is_open {
            return Err(Refused::ShuttingDown);
        }
        if self.active == CAPACITY {
            return Err(Refused::Busy);
        }
        self.active += 1;
        self.last_id += 1;
        Ok(self.last_id)
    }
}

/// A place among the active tasks, given up however the task ends.
struct Ticket {
    service: Arc<TaskService>,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let has_panicked = thread::panicking();
        self.service.intake.send_modify(|intake| {
            intake.active -= 1;
            intake.is_healthy &= !has_panicked;
        });
    }
}
