//! What ran, and when it began. Some peers can hand nothing to the code of a task, so this is kept
//! for the whole process: one drain or one measurement at a time.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};
use tokio::time::{sleep, timeout};

/// How long the slowest side may take for anything.
const PATIENCE: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(1);

static COUNT: AtomicU32 = AtomicU32::new(0);
static BEGUN: Mutex<Vec<(u32, Instant)>> = Mutex::new(Vec::new());

/// What every task works on: some 70 bytes of JSON.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Work {
    pub(crate) number: u32,
    picture: String,
}

impl Work {
    pub(crate) fn new(number: u32) -> Self {
        Work { number, picture: format!("s3://pictures/2026/11/20/{number:010}.jpg") }
    }
}

/// The whole of a task.
pub(crate) fn run(work: &Work) {
    begun().push((work.number, Instant::now()));
    COUNT.fetch_add(1, Ordering::Relaxed);
}

pub(crate) fn forget() {
    begun().clear();
    COUNT.store(0, Ordering::Relaxed);
}

/// When this one began, once it has.
pub(crate) async fn began(number: u32) -> anyhow::Result<Instant> {
    let looks = async {
        loop {
            let found = begun().iter().find(|(begun, _)| *begun == number).map(|(_, at)| *at);
            if let Some(at) = found {
                return at;
            }
            sleep(LOOK).await;
        }
    };
    timeout(PATIENCE, looks).await.with_context(|| format!("task {number} never began"))
}

/// Waits until so many ran, and then until the store says that nothing is left.
pub(crate) async fn all_done(
    count: u32,
    mut left: impl AsyncFnMut() -> anyhow::Result<i64>,
) -> anyhow::Result<()> {
    let done = async {
        while COUNT.load(Ordering::Relaxed) < count {
            sleep(LOOK).await;
        }
        while left().await? > 0 {
            sleep(LOOK).await;
        }
        anyhow::Ok(())
    };
    let waited = timeout(PATIENCE, done).await;
    let ran = COUNT.load(Ordering::Relaxed);
    waited.with_context(|| format!("{ran} of {count} ran"))??;
    ensure!(ran == count, "{count} were taken in, and {ran} ran");
    Ok(())
}

fn begun() -> MutexGuard<'static, Vec<(u32, Instant)>> {
    BEGUN.lock().unwrap_or_else(PoisonError::into_inner)
}
