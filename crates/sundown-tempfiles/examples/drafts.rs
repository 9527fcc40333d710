//! Writes one report after the other: each is a draft first, a temporary file, and moves to its
//! place in one step when it is whole. Nobody ever sees half a report.
//!
//! Run `cargo run -p sundown-tempfiles --example drafts` and press Ctrl-C: the draft and the cache
//! are gone, the reports stay, the exit code is 0. Run it again and `kill -9` it: they stay behind.
//! The next run removes them, whatever process id it has; and two runs side by side leave each
//! other alone. Two arguments choose where temporary files and where reports go.

use std::path::PathBuf;
use std::time::Duration;
use std::{env, fs, io};

use sundown::{BoxError, Coordinator, Exit, Shutdown};
use sundown_tempfiles::{Settings, TempFile, TempFiles};
use tokio::io::AsyncWriteExt as _;
use tokio::time::sleep;

#[tokio::main]
async fn main() -> Exit {
    Exit::of(serve().await)
}

async fn serve() -> Result<Exit, BoxError> {
    let coordinator = Coordinator::builder().cap(Duration::from_secs(30)).build()?;
    coordinator.listen_for_signals()?;

    let argument = |number, usual: &str| {
        env::args_os().nth(number).map_or_else(|| env::temp_dir().join(usual), PathBuf::from)
    };
    let (root, reports) = (argument(1, "drafts"), argument(2, "reports"));
    fs::create_dir_all(&reports)?;
    let settings = Settings::default().root(root).quota(1 << 20);
    let temp = TempFiles::start(coordinator.clone(), settings).await?;
    println!("removed {} files that dead processes had left", temp.recovered().files);

    // Held until the process ends, so the shutdown shall not complain of it.
    let cache = temp.dir("cache").await?.for_life();
    fs::write(cache.path().join("prices"), "apples 3, pears 4")?;
    let drafts = write_drafts(temp.clone(), reports, coordinator.shutdown());
    coordinator.supervise("drafts", drafts);
    coordinator.check()?;
    println!("ready: {}", temp.path().display());

    let report = coordinator.run().await;
    report.print();
    Ok(report.exit())
}

/// One draft after the other; the one at hand is dropped, and so removed, when told to stop.
async fn write_drafts(
    temp: TempFiles,
    reports: PathBuf,
    shutdown: Shutdown,
) -> Result<(), BoxError> {
    for number in 1.. {
        let mut draft = temp.file("report.csv").await?;
        println!("draft: {}", draft.path().display());
        match write_pages(&mut draft, &shutdown).await {
            Ok(()) if shutdown.is_shutting_down() => break,
            Ok(()) => {
                let report = reports.join(format!("report-{number}.csv"));
                draft.persist(&report).await?;
                println!("report: {}", report.display());
            }
            Err(error) => println!("gave up on report {number}: {error}"),
        }
    }
    Ok(())
}

/// Ten pages of a hundred lines, or fewer when told to stop.
async fn write_pages(draft: &mut TempFile, shutdown: &Shutdown) -> io::Result<()> {
    for page in 0..10 {
        if shutdown.until(sleep(Duration::from_millis(20))).await.is_none() {
            break;
        }
        let line = |line| format!("{:04},apples\n", page * 100 + line);
        draft.write_all((0..100).map(line).collect::<String>().as_bytes()).await?;
        draft.flush().await?;
    }
    Ok(())
}
