//! Components that fail, panic and hang on the way down stop nobody else, and the next start
//! recovers just what they left undone.
//!
//! Everything that goes wrong raises an alert while it happens and stands in the report, which is
//! kept in a file. What is critical, the positions, has a fallback: their database is down, so
//! they are written to a local file, and count as recovered. The next start reads the last report
//! and recovers the components that did not end well; after `kill -9` there is none, so all.
//!
//! Run `cargo run --example fault_tolerant [DIRECTORY]` and press Ctrl-C: three alerts, the
//! positions saved by their fallback, exit code 3. Run it again: it recovers three components of
//! five, and Ctrl-C now ends it with 0. Remove the directory to begin anew.

use std::future::pending;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fs, io};

use sundown::{Alert, BoxError, Coordinator, Exit, Phase, Report, Verdict, Waiter};

/// What is wrong with a component when it is asked to stop for the first time.
#[derive(Clone, Copy)]
enum Fault {
    None,
    Fails,
    Panics,
    Hangs,
}

/// The components beside the positions.
const COMPONENTS: [(&str, Phase, Fault); 4] = [
    ("order gateway", Phase::DRAIN, Fault::Fails),
    ("price recorder", Phase::DRAIN, Fault::Panics),
    ("audit upload", Phase::FLUSH, Fault::Hangs),
    ("connections", Phase::RELEASE, Fault::None),
];
const POSITIONS: &str = "positions";

#[tokio::main]
async fn main() -> Exit {
    Exit::of(trade().await)
}

async fn trade() -> Result<Exit, BoxError> {
    let directory = env::args_os().nth(1).map(PathBuf::from);
    let directory = directory.unwrap_or_else(|| env::temp_dir().join("sundown-fault-tolerant"));
    fs::create_dir_all(&directory)?;
    let report_file = directory.join("shutdown.json");
    let coordinator = Coordinator::builder()
        .budget(Phase::FLUSH, Duration::from_millis(700))
        .report_path(&report_file)
        .on_alert(page_somebody)
        .build()?;
    coordinator.listen_for_signals()?;

    let local_copy = directory.join("positions.txt");
    recover(coordinator.previous_report(), &local_copy)?;
    let is_first = coordinator.previous_report().is_none();
    register(&coordinator, is_first, local_copy)?;
    coordinator.check()?;
    println!("ready: five components, {}", if is_first { "three of them ill" } else { "all well" });

    let report = coordinator.run().await;
    println!("the report is kept in {}", report_file.display());
    report.print();
    Ok(report.exit())
}

/// Stands for the pager; it may block.
fn page_somebody(alert: &Alert) {
    println!("ALERT: {alert}");
}

fn register(
    coordinator: &Coordinator,
    is_first: bool,
    local_copy: PathBuf,
) -> Result<(), BoxError> {
    for (name, phase, fault) in COMPONENTS {
        let fault = if is_first { fault } else { Fault::None };
        let waiter = Waiter::new(name, move |_deadline| stop(name, fault)).in_phase(phase);
        coordinator.register_waiter(waiter)?;
    }
    let fault = if is_first { Fault::Fails } else { Fault::None };
    let positions = Waiter::new(POSITIONS, move |_deadline| stop(POSITIONS, fault))
        .in_phase(Phase::FLUSH)
        .fallback(|_deadline| async move {
            fs::write(&local_copy, "BTCUSDT 400\nETHUSDT -2500\n")?;
            println!("{POSITIONS}: written to {}", local_copy.display());
            Ok::<_, io::Error>(())
        });
    coordinator.register_waiter(positions)?;
    Ok(())
}

async fn stop(name: &str, fault: Fault) -> Result<(), BoxError> {
    match fault {
        Fault::None => println!("{name}: stopped"),
        Fault::Fails => return Err("the other side does not answer".into()),
        Fault::Panics => panic!("the index of the {name} is damaged"),
        Fault::Hangs => pending().await,
    }
    Ok(())
}

/// Repairs what the process before this one left undone, and nothing else.
fn recover(previous: Option<&Report>, local_copy: &Path) -> Result<(), BoxError> {
    match fs::read_to_string(local_copy) {
        Ok(positions) => {
            println!("{POSITIONS}: {} taken over from the local copy", positions.lines().count());
            fs::remove_file(local_copy)?;
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error.into()),
    }
    let Some(previous) = previous else { return Ok(()) };
    match previous.verdict {
        Verdict::Clean => println!("nothing to recover: the last stop was clean"),
        Verdict::Failed => {
            for (phase, waiter) in previous.trouble() {
                let detail = waiter.detail.as_deref().unwrap_or("gave no sign of life");
                println!("recovering {}: {detail} (in {phase})", waiter.name);
            }
        }
        // Killed, or ended by force: nobody is known for sure to have ended well.
        _ => {
            for name in COMPONENTS.iter().map(|(name, ..)| name).chain([&POSITIONS]) {
                println!("recovering {name}: the last process was {}", previous.verdict.name());
            }
        }
    }
    Ok(())
}
