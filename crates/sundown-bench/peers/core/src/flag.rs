//! Polling: what a loop pays for asking whether it should stop.

use std::hint::{self, black_box};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use async_shutdown::ShutdownManager;
use sundown::Shutdown;
use sundown_bench::{Contest, Figures, Row, Statistic, Target};
use swansong::Swansong;
use tokio_util::sync::CancellationToken;

use crate::coordinator;

const ROUNDS: usize = 400;
const POLLS: u32 = 50_000;

const BOOL: &str = "AtomicBool";
const TOKIO: &str = "CancellationToken";
const SWANSONG: &str = "swansong";
const ASYNC_SHUTDOWN: &str = "async-shutdown";

pub(crate) fn rows() -> anyhow::Result<Vec<Row>> {
    let handles = Handles {
        shutdown: coordinator()?.shutdown(),
        flag: Arc::new(AtomicBool::new(false)),
        token: CancellationToken::new(),
        swansong: Swansong::new(),
        manager: ShutdownManager::new(),
    };
    let alone = handles.contest(Statistic::Minimum, Company::Alone);
    let beside = handles.contest(Statistic::Median, Company::OneMore);
    let (name, two) = ("poll the handle", "poll the handle, one more thread polls it");
    Ok(vec![
        alone.row(name, BOOL).target(Target::AtMost(2.0)),
        faster(alone.row(name, TOKIO), 15.0),
        alone.row(name, SWANSONG),
        alone.row(name, ASYNC_SHUTDOWN),
        beside.row(two, BOOL),
        faster(beside.row(two, TOKIO), 50.0),
        beside.row(two, SWANSONG),
        beside.row(two, ASYNC_SHUTDOWN),
    ])
}

/// So many times faster, as a ratio.
fn faster(row: Row, times: f64) -> Row {
    let note = format!("{:.1}× faster; target ≥ {times}×", 1.0 / row.ratio());
    row.target(Target::AtMost(1.0 / times)).note(note)
}

struct Handles {
    shutdown: Shutdown,
    flag: Arc<AtomicBool>,
    token: CancellationToken,
    swansong: Swansong,
    manager: ShutdownManager<&'static str>,
}

/// Who polls.
#[derive(Debug, Clone, Copy)]
enum Company {
    Alone,
    OneMore,
}

impl Handles {
    /// Each side polls its handle in the same loop; the handle comes out of a `black_box` each
    /// time, or the load would leave the loop.
    fn contest(&self, statistic: Statistic, company: Company) -> Figures {
        let Handles { shutdown, flag, token, swansong, manager } = self;
        Contest::new(statistic, ROUNDS, POLLS)
            .side("Shutdown", |n| company.count(n, || black_box(shutdown).is_shutting_down()))
            .side(BOOL, |n| company.count(n, || black_box(flag).load(Ordering::Acquire)))
            .side(TOKIO, |n| company.count(n, || black_box(token).is_cancelled()))
            .side(SWANSONG, |n| company.count(n, || black_box(swansong).state().is_shutting_down()))
            .side(ASYNC_SHUTDOWN, |n| {
                company.count(n, || black_box(manager).is_shutdown_triggered())
            })
            .run()
    }
}

impl Company {
    /// Polls so often on this thread, and all that time also on another one if there is one.
    fn count(self, polls: u32, poll: impl Fn() -> bool + Sync) -> Duration {
        match self {
            Company::Alone => count(polls, &poll),
            Company::OneMore => {
                let (turns, stop) = (AtomicU32::new(0), AtomicBool::new(false));
                thread::scope(|scope| {
                    scope.spawn(|| {
                        while !stop.load(Ordering::Relaxed) {
                            count(64, &poll);
                            turns.fetch_add(1, Ordering::Relaxed);
                        }
                    });
                    wait_until_both_run(&turns);
                    let took = count(polls, &poll);
                    stop.store(true, Ordering::Relaxed);
                    took
                })
            }
        }
    }
}

/// Waits until the other thread has made a turn while this one was on its processor: so they have
/// one each.
fn wait_until_both_run(turns: &AtomicU32) {
    const GLANCE: Duration = Duration::from_micros(20);
    loop {
        let (start, before) = (Instant::now(), turns.load(Ordering::Relaxed));
        while start.elapsed() < GLANCE {
            hint::spin_loop();
        }
        if turns.load(Ordering::Relaxed) > before && start.elapsed() < 2 * GLANCE {
            return;
        }
    }
}

/// The answers are counted rather than put into a `black_box` one by one: beside a load, the store
/// would weigh as much as what is measured.
#[inline]
fn count(polls: u32, poll: &impl Fn() -> bool) -> Duration {
    let mut found = 0_u32;
    let start = Instant::now();
    for _ in 0..polls {
        found += u32::from(poll());
    }
    let took = start.elapsed();
    black_box(found);
    took
}
