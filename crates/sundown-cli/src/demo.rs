//! The demonstration: clients send orders to a desk, the desk is stopped, and every order it
//! accepted is found in the ledger.

mod options;

use std::fs;
use std::future::pending;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sundown::{
    BoxError, Cause, Coordinator, Deadline, Exit, Phase, PlanError, Priority, Report,
    ShutdownCoordinator, Waiter,
};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::sleep;

pub(crate) use self::options::Options;

use crate::screen::SCREEN;

/// Short enough to watch what becomes of a worker that hangs.
const CAP: Duration = Duration::from_secs(15);
/// More than the ledger needs, and little enough for a cap of a few seconds.
const SAVING: Duration = Duration::from_millis(500);
const WORKERS: usize = 4;
/// How many accepted orders may wait for a worker.
const QUEUE: usize = 64;

pub(crate) async fn run(options: Options) -> Result<Exit, BoxError> {
    let coordinator = Coordinator::builder()
        .default_cap(CAP)
        .budget(Phase::FLUSH, SAVING)
        .budget(Phase::RELEASE, SAVING)
        .build()?;
    coordinator.listen_for_signals()?;

    let desk = Desk::open(&*coordinator)?;
    for client in 1..=options.clients {
        coordinator.spawn(format!("client-{client}"), send_orders(desk.clone()));
    }
    if options.hangs {
        coordinator.spawn("worker-that-hangs", pending::<()>());
    }
    coordinator.order(["desk", Coordinator::OWNED_WORK])?;
    coordinator.check()?;
    announce(&options);
    if let Some(after) = options.stop_after {
        stop_after(after, coordinator.clone());
    }

    let report = coordinator.run().await;
    SCREEN.flush(crate::LAST_LINES);
    report.print();
    if let Some(path) = &options.svg {
        fs::write(path, report.to_svg())
            .map_err(|error| format!("cannot write {path}: {error}"))?;
    }
    Ok(desk.settle_accounts(&report))
}

fn announce(options: &Options) {
    let clients = options.clients;
    let end = match options.stop_after {
        Some(after) => format!("It stops by itself after {after:?}, or on Ctrl-C."),
        None => format!("Stop it with Ctrl-C, or: kill {}", std::process::id()),
    };
    say(&format!(
        "This is a demonstration of the core, without the network.\n\
         {clients} clients send orders to a desk with {WORKERS} workers.\n{end}\n\n"
    ));
}

/// To whoever watches; that nobody does is no reason to fail.
fn say(text: &str) {
    let _ = crate::print(text);
}

fn stop_after(time: Duration, coordinator: Arc<Coordinator>) {
    let shutdown = coordinator.shutdown();
    coordinator.clone().spawn("timer", async move {
        if shutdown.until(sleep(time)).await.is_some() {
            coordinator.initiate(Cause::requested("the demonstration is over"));
        }
    });
}

/// A client: sends one order after the other until the desk refuses.
async fn send_orders(desk: Arc<Desk>) {
    while desk.accept().await.is_ok() {
        sleep(Duration::from_millis(fastrand::u64(1..20))).await;
    }
}

/// Accepts orders, executes them, and writes each into its ledger.
struct Desk {
    /// Gone once the shutdown has begun.
    intake: Mutex<Option<Sender<u64>>>,
    last_order: AtomicU64,
    accepted: Mutex<Vec<u64>>,
    executed: Mutex<Vec<u64>>,
    directory: PathBuf,
}

/// The desk takes no more orders.
struct Closed;

impl Desk {
    /// Opens the desk and makes it part of the shutdown.
    fn open(coordinator: &dyn ShutdownCoordinator) -> Result<Arc<Desk>, BoxError> {
        let directory = std::env::temp_dir().join(format!("sundown-demo-{}", std::process::id()));
        fs::create_dir_all(&directory)
            .map_err(|error| format!("cannot create {}: {error}", directory.display()))?;
        let (intake, queue) = channel(QUEUE);
        let desk = Arc::new(Desk {
            intake: Mutex::new(Some(intake)),
            last_order: AtomicU64::new(0),
            accepted: Mutex::default(),
            executed: Mutex::default(),
            directory,
        });
        desk.join(coordinator, queue)?;
        Ok(desk)
    }

    fn join(
        self: &Arc<Self>,
        coordinator: &dyn ShutdownCoordinator,
        queue: Receiver<u64>,
    ) -> Result<(), PlanError> {
        let desk = self.clone();
        let close = move |_: &Cause| drop(locked(&desk.intake).take());
        coordinator.register_notification("desk", close);

        let queue = Arc::new(tokio::sync::Mutex::new(queue));
        let workers: Vec<_> = (1..=WORKERS)
            .map(|n| coordinator.spawn(format!("worker-{n}"), self.clone().work(queue.clone())))
            .collect();
        let drain = Waiter::new("desk", |_deadline: Deadline| async {
            for worker in workers {
                worker.await?;
            }
            Ok::<_, tokio::task::JoinError>(())
        });
        coordinator.register_waiter(drain)?;

        let desk = self.clone();
        let save = Waiter::blocking("ledger", move |_deadline| desk.save());
        coordinator.register_waiter(save.in_phase(Phase::FLUSH))?;

        let directory = self.directory.clone();
        let tidy = move || fs::remove_dir_all(&directory);
        coordinator.register_hook("temporary files", Priority::Cleanup, tidy)?;
        Ok(())
    }

    /// Takes an order into the queue. From then on it will be executed.
    async fn accept(&self) -> Result<(), Closed> {
        let intake = locked(&self.intake).clone().ok_or(Closed)?;
        let place = intake.reserve().await.map_err(|_| Closed)?;
        let order = self.last_order.fetch_add(1, Ordering::Relaxed) + 1;
        locked(&self.accepted).push(order);
        place.send(order);
        Ok(())
    }

    /// Executes orders until the queue is closed and empty.
    async fn work(self: Arc<Self>, queue: Arc<tokio::sync::Mutex<Receiver<u64>>>) {
        loop {
            let order = queue.lock().await.recv().await;
            let Some(order) = order else { return };
            sleep(Duration::from_millis(fastrand::u64(5..40))).await;
            locked(&self.executed).push(order);
        }
    }

    /// Saves the ledger, and reads it back.
    fn save(&self) -> io::Result<()> {
        let path = self.directory.join("ledger");
        let ledger: String = locked(&self.executed).iter().map(|n| format!("{n}\n")).collect();
        fs::write(&path, &ledger)?;
        read_back(&path, &ledger)
    }

    /// Says whether every order that was accepted was executed, once.
    fn settle_accounts(&self, report: &Report) -> Exit {
        let mut accepted = locked(&self.accepted).clone();
        let mut executed = locked(&self.executed).clone();
        accepted.sort_unstable();
        executed.sort_unstable();
        let done = executed.len();
        if accepted == executed {
            say(&format!("\n{done} orders accepted, {done} executed, 0 lost\n"));
            return report.exit();
        }
        let lost = accepted.iter().filter(|order| executed.binary_search(order).is_err()).count();
        say(&format!("\n{} orders accepted, {done} executed, {lost} LOST\n", accepted.len()));
        Exit::Failed
    }
}

fn read_back(path: &Path, expected: &str) -> io::Result<()> {
    if fs::read_to_string(path)? == expected {
        return Ok(());
    }
    Err(io::Error::other(format!("{} does not hold what was written", path.display())))
}

/// Nothing panics while it holds one of these.
fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
