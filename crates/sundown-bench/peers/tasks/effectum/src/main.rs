//! effectum, told what to do line by line: `take-in` or `drain`, and a number of tasks; it answers
//! with the nanoseconds that it took. With `pickup` it answers with those from one call to the start
//! of the task.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use effectum::{Job, JobRunner, Queue, RunningJob, Worker};
use serde_json::json;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio::time::sleep;

const CALLERS: u32 = 64;
const CONCURRENCY: u16 = 512;
/// When so few run, it fetches more.
const FETCH: u16 = 256;
const BATCH: u32 = 1000;
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(1);

/// How many ran, and when the last of them began.
#[derive(Debug, Default)]
struct Ran {
    count: AtomicU32,
    last: Mutex<Option<Instant>>,
}

fn main() -> anyhow::Result<()> {
    let place = PathBuf::from(std::env::args().nth(1).context("give a directory")?);
    let runtime = Runtime::new()?;
    // Its queue spawns a task when it is dropped.
    let _entered = runtime.enter();
    let queue = runtime.block_on(Queue::new(&place.join("callers.db")))?;
    let queue = Arc::new(queue);
    let mut drains = 0;
    let mut worker = None;
    let picked = Arc::<Ran>::default();
    for line in std::io::stdin().lines() {
        let line = line?;
        let (word, number) = line.split_once(' ').context("a word and a number are expected")?;
        let count: u32 = number.parse()?;
        let took = match word {
            "take-in" => runtime.block_on(take_in(&queue, count))?,
            "drain" => {
                drains += 1;
                runtime.block_on(drain(&place.join(format!("{drains}.db")), count))?
            }
            "pickup" => {
                if worker.is_none() {
                    worker = Some(runtime.block_on(work(&queue, picked.clone()))?);
                }
                runtime.block_on(pickup(&queue, &picked))?
            }
            other => bail!("`{other}` is nothing it does"),
        };
        println!("{}", took.as_nanos());
    }
    runtime.block_on(async {
        if let Some(worker) = worker {
            worker.unregister(Some(PATIENCE)).await?;
        }
        Ok(queue.close(PATIENCE).await?)
    })
}

async fn take_in(queue: &Arc<Queue>, count: u32) -> anyhow::Result<Duration> {
    let start = Instant::now();
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let (queue, own) = (queue.clone(), count / CALLERS);
        callers.spawn(async move {
            for number in 0..own {
                queue.add_job(job(caller * own + number)?).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = callers.join_next().await {
        done??;
    }
    Ok(start.elapsed())
}

/// From the start of a worker until nothing is left in the file.
async fn drain(file: &Path, count: u32) -> anyhow::Result<Duration> {
    let queue = Queue::new(file).await?;
    for first in (0..count).step_by(BATCH as usize) {
        let jobs = (first..count.min(first + BATCH)).map(job).collect::<Result<_, _>>()?;
        queue.add_jobs(jobs).await?;
    }
    let ran = Arc::<Ran>::default();
    let start = Instant::now();
    let worker = work(&queue, ran.clone()).await?;
    while ran.count.load(Ordering::Relaxed) < count {
        sleep(LOOK).await;
    }
    loop {
        let active = queue.num_active_jobs().await?;
        if active.pending + active.running == 0 {
            break;
        }
        sleep(LOOK).await;
    }
    let took = start.elapsed();
    worker.unregister(Some(PATIENCE)).await?;
    queue.close(PATIENCE).await?;
    Ok(took)
}

/// From one call until its task begins.
async fn pickup(queue: &Queue, ran: &Ran) -> anyhow::Result<Duration> {
    let before = ran.count.load(Ordering::Acquire);
    let start = Instant::now();
    queue.add_job(job(before)?).await?;
    while ran.count.load(Ordering::Acquire) == before {
        sleep(LOOK).await;
    }
    let began = *ran.last.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(began.context("one began")? - start)
}

async fn work(queue: &Queue, ran: Arc<Ran>) -> anyhow::Result<Worker> {
    let nothing = JobRunner::builder("nothing", nothing).build();
    let worker = Worker::builder(queue, ran).max_concurrency(CONCURRENCY).min_concurrency(FETCH);
    Ok(worker.jobs([nothing]).build().await?)
}

async fn nothing(job: RunningJob, ran: Arc<Ran>) -> Result<(), effectum::Error> {
    let _work: serde_json::Value = job.json_payload()?;
    *ran.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    ran.count.fetch_add(1, Ordering::Release);
    Ok(())
}

fn job(number: u32) -> anyhow::Result<Job> {
    let picture = format!("s3://pictures/2026/11/20/{number:010}.jpg");
    Ok(Job::builder("nothing")
        .json_payload(&json!({"number": number, "picture": picture}))?
        .build())
}
