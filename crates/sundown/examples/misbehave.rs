//! A service whose parts misbehave on demand, to see what a shutdown makes of it.
//!
//! `cargo run --example misbehave -- hang-drain fail-hook`, then Ctrl-C. Without arguments all is
//! well; `list` names what there is. Twice Ctrl-C goes straight to `flush`, three times ends it.

use std::future::pending;
use std::io::{Write as _, stdout};
use std::thread;
use std::time::Duration;

use sundown::{
    BoxError, Builder, Cause, Coordinator, Exit, HandedBack, Phase, PlanError, Priority,
    ShutdownCoordinator, Waiter,
};

const FOREVER: Duration = Duration::from_secs(3600);

type Misdeed = fn(&dyn ShutdownCoordinator) -> Result<(), PlanError>;

/// The misdeed that comes before everything else.
const SECOND_TRY: &str = "second-try";

/// Everything that can be asked for.
const MISDEEDS: &[(&str, &str, Misdeed)] = &[
    ("hang-drain", "a waiter that never returns", |c| {
        add(c, Waiter::new("hangs", |_| pending::<()>()))
    }),
    ("hang-flush", "the same in flush", |c| {
        add(c, Waiter::new("hangs", |_| pending::<()>()).in_phase(Phase::FLUSH))
    }),
    ("fail-drain", "a waiter that fails", |c| {
        add(c, Waiter::new("fails", |_| async { Err::<(), _>("disk full") }))
    }),
    ("panic-drain", "a waiter that panics", |c| {
        add(c, Waiter::new("panics", |_| async { blow_up("out of cheese") }))
    }),
    ("recover", "a waiter that fails and is saved by its fallback", |c| {
        let waiter = Waiter::new("remote", |_| async { Err::<(), _>("connection refused") });
        add(c, waiter.fallback(|_| async { say("kept on disk instead") }))
    }),
    ("panic-fallback", "a waiter whose fallback panics", |c| {
        let waiter = Waiter::new("doomed", |_| async { Err::<(), _>("disk full") });
        add(c, waiter.fallback(|_| async { blow_up("spare disk full") }))
    }),
    ("block-thread", "an async waiter that blocks its thread", |c| {
        add(c, Waiter::new("blocks", |_| async { block() }))
    }),
    ("ignore-deadline", "a blocking function that ignores its deadline", |c| {
        add(c, Waiter::blocking("deaf", |_| block()))
    }),
    ("fail-hook", "a hook that fails", |c| {
        c.register_hook("unlock", Priority::High, || Err::<(), _>("lock lost"))?;
        Ok(())
    }),
    ("panic-notification", "a notification that panics", |c| {
        c.register_notification("startled", |_| panic!("not now"));
        c.register_notification("calm", |_| say("notified"));
        Ok(())
    }),
    ("block-notification", "a notification that blocks, and one behind it", |c| {
        c.register_notification("stuck", |_| block());
        c.register_notification("behind", |_| say("notified"));
        Ok(())
    }),
    ("hang-work", "owned work that never ends", |c| {
        drop(c.spawn("reindex", pending::<()>()));
        Ok(())
    }),
    ("hang-thousands", "five thousand of them", |c| {
        for n in 0..5000 {
            drop(c.spawn(format!("reindex-{n}"), pending::<()>()));
        }
        Ok(())
    }),
    (SECOND_TRY, "a coordinator before this one, dropped when its start failed", |_| Ok(())),
    ("save-blocking", "nothing bad: a waiter in flush that needs no runtime", |c| {
        let save = Waiter::blocking("save-blocking", |_| say("saved on a thread"));
        add(c, save.in_phase(Phase::FLUSH))
    }),
    ("block-runtime", "owned work that blocks every runtime thread from the start", |c| {
        for _ in 0..2 {
            drop(c.spawn("spinner", async { block() }));
        }
        Ok(())
    }),
    ("leak-blocking", "a blocking call that outlives a clean plan", |_| {
        drop(tokio::task::spawn_blocking(block));
        Ok(())
    }),
    ("fail-component", "a component that fails and takes the service down", |c| {
        drop(c.supervise("ingest", async { Err::<(), _>("schema changed") }));
        Ok(())
    }),
    ("panic-component", "a component that panics and takes the service down", |c| {
        drop(c.supervise::<_, String>("ingest", async { panic!("schema changed") }));
        Ok(())
    }),
    ("request", "asks for its own shutdown, from several threads at once", |c| {
        thread::scope(|scope| {
            for n in 0..8 {
                scope.spawn(move || c.initiate(Cause::requested(format!("request {n}"))));
            }
        });
        Ok(())
    }),
    ("hand-back", "unfinished work, handed back", |c| {
        let waiter = Waiter::new("queue", |_| async { HandedBack::new(3) });
        add(c, waiter.in_phase(Phase::FLUSH))
    }),
    ("slow-start", "half a second between catching signals and running", |_| {
        thread::park_timeout(Duration::from_millis(500));
        Ok(())
    }),
    ("twins", "two waiters of one name", |c| {
        add(c, Waiter::new("twin", |_| async {}))?;
        add(c, Waiter::new("twin", |_| async {}))
    }),
    ("greedy", "a waiter that needs more time than there is", |c| {
        add(c, Waiter::new("glutton", |_| async {}).least(FOREVER))
    }),
];

fn add(coordinator: &dyn ShutdownCoordinator, waiter: Waiter) -> Result<(), PlanError> {
    coordinator.register_waiter(waiter)?;
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "to block the thread is its misdeed")]
fn block() {
    thread::sleep(FOREVER);
}

fn blow_up(why: &str) {
    panic!("{why}");
}

/// Prints a line even if nobody reads it, which `println!` would take as a reason to panic.
fn say(line: &str) {
    let _ = writeln!(stdout(), "{line}");
}

fn main() -> Exit {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_target(false)
        .init();
    // With one thread for everything, what blocks it blocks the coordinator, too.
    let runtime = if std::env::args().any(|argument| argument == "threads=one") {
        tokio::runtime::Builder::new_current_thread().enable_all().build()
    } else {
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()
    };
    let result = runtime.map_err(BoxError::from).map(|runtime| runtime.block_on(serve()));
    Exit::of(result.and_then(|exit| exit))
}

async fn serve() -> Result<Exit, BoxError> {
    let mut settings = Coordinator::builder()
        .cap(Duration::from_secs(2))
        .budget(Phase::FLUSH, Duration::from_millis(300))
        .budget(Phase::RELEASE, Duration::from_millis(300))
        .on_alert(|alert| say(&format!("alert: {alert}")));
    let mut misdeeds = Vec::new();
    for argument in std::env::args().skip(1) {
        match argument.split_once('=') {
            Some((name, value)) => settings = set(settings, name, value)?,
            None => misdeeds.push(argument),
        }
    }
    if misdeeds.iter().any(|misdeed| misdeed == "list") {
        MISDEEDS.iter().for_each(|(name, what, _)| say(&format!("{name:<20} {what}")));
        return Ok(Exit::Clean);
    }
    if misdeeds.iter().any(|misdeed| misdeed == SECOND_TRY) {
        Coordinator::builder().build()?.listen_for_signals()?;
    }
    let coordinator = settings.build()?;
    if let Some(previous) = coordinator.previous_report() {
        say(&format!("previous: {}", previous.verdict.name()));
    }
    coordinator.listen_for_signals()?;
    say("listening");
    behave(&*coordinator)?;
    for misdeed in &misdeeds {
        let (_, _, commit) = MISDEEDS
            .iter()
            .find(|(name, _, _)| name == misdeed)
            .ok_or_else(|| format!("unknown misdeed `{misdeed}` (`list` names them)"))?;
        commit(&*coordinator)?;
    }
    coordinator.check()?;
    coordinator.ready();
    say("ready");
    let report = coordinator.run().await;
    report.print();
    Ok(report.exit())
}

/// The part of the service that is beyond reproach.
fn behave(coordinator: &dyn ShutdownCoordinator) -> Result<(), PlanError> {
    let shutdown = coordinator.shutdown();
    drop(
        coordinator.spawn("ticker", async move { while shutdown.until(tick()).await.is_some() {} }),
    );
    add(coordinator, Waiter::new("server", |_| async { say("drained") }))?;
    add(coordinator, Waiter::new("save", |_| async { say("saved") }).in_phase(Phase::FLUSH))?;
    coordinator.register_hook("tidy", Priority::Cleanup, || say("tidied"))?;
    Ok(())
}

async fn tick() {
    tokio::time::sleep(Duration::from_millis(100)).await;
}

fn set(settings: Builder, name: &str, value: &str) -> Result<Builder, BoxError> {
    let millis = || value.parse().map(Duration::from_millis);
    Ok(match name {
        "cap" => settings.cap(millis()?),
        "announce" => settings.announce(millis()?),
        "flush" => settings.budget(Phase::FLUSH, millis()?),
        "report" => settings.report_path(value),
        "threads" if value == "one" => settings,
        "message" => settings.termination_message(value),
        "alerts" if value == "panic" => settings.on_alert(|_| panic!("pager on fire")),
        "alerts" if value == "block" => settings.on_alert(|_| block()),
        "job" if value == "yes" => settings.exit_143_when_interrupted(),
        _ => return Err(format!("unknown setting `{name}={value}`").into()),
    })
}
