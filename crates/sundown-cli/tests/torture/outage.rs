//! The store is taken away from everybody now and then, or locked, or its disk is full.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sundown_drill::postgres::Stop;

use crate::errand::stuff;
use crate::ground::Store;
use crate::ledger::{Trouble, now};
use crate::processes::pause;
use crate::service::PATIENCE;
use crate::siege::Siege;
use crate::trial::long_run;

/// How often the machine itself is looked at, and how long it may take to sync a file: a commit syncs more
/// than once within a lease.
const LOOK: Duration = Duration::from_millis(50);
const STALL: Duration = Duration::from_millis(250);

/// Whoever was to be struck just now has been.
const SOON: Duration = Duration::from_millis(200);

/// What is done to a store.
#[derive(Debug, Clone, Copy)]
enum Outage {
    /// A stranger, a backup say, has the lock.
    Lock(Duration),
    /// The server is restarted.
    Restart(Stop),
    /// Not one byte more fits.
    Fill(Duration),
}

/// Shorter than anybody's patience.
fn short(random: &mut fastrand::Rng) -> Duration {
    Duration::from_millis(random.u64(200..1800))
}

/// Longer than the stores wait for it: 5 s.
fn long(random: &mut fastrand::Rng) -> Duration {
    Duration::from_millis(random.u64(5500..8000))
}

/// Longer than those who ask wait behind others, who wait as well.
fn longest(random: &mut fastrand::Rng) -> Duration {
    Duration::from_millis(random.u64(10_500..12_000))
}

fn is_long(time: Duration) -> bool {
    time > Duration::from_secs(5)
}

/// What every run has, and every long run.
fn first(store: &Store, random: &mut fastrand::Rng) -> Vec<Outage> {
    let lock = Outage::Lock(short(random));
    let mut first = match store {
        Store::File => vec![lock, Outage::Lock(long(random))],
        Store::SmallDisk(_) => vec![Outage::Fill(short(random)), lock],
        Store::Server(_) => vec![Outage::Restart(Stop::Kill), lock, Outage::Lock(long(random))],
    };
    if long_run().is_some() {
        first.extend([Outage::Lock(longest(random)), Outage::Lock(longest(random))]);
    }
    first
}

fn draw(store: &Store, random: &mut fastrand::Rng) -> Outage {
    let lock = match random.u32(0..10) {
        0 => long(random),
        1 => longest(random),
        _ => short(random),
    };
    match store {
        Store::SmallDisk(_) if random.bool() => Outage::Fill(short(random)),
        Store::Server(_) if random.u32(0..3) > 0 => {
            let how = random.choice([Stop::Fast, Stop::Immediate, Stop::Kill]);
            Outage::Restart(how.unwrap())
        }
        Store::File | Store::SmallDisk(_) | Store::Server(_) => Outage::Lock(lock),
    }
}

impl Siege<'_> {
    /// One outage after the other.
    pub(crate) fn outages(&self) {
        let mut random = fastrand::Rng::with_seed(self.seed ^ 0x5707);
        for outage in first(&self.ground.store, &mut random) {
            self.wait(Duration::from_millis(random.u64(800..1500)));
            self.happen(outage);
        }
        self.is_store_due.store(false, Ordering::Relaxed);
        while !self.is_stopped() {
            self.wait(Duration::from_millis(random.u64(2500..6000)));
            self.happen(draw(&self.ground.store, &mut random));
        }
    }

    fn wait(&self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end && !self.is_stopped() {
            pause(LOOK);
        }
    }

    fn wait_until(&self, is_so: impl Fn() -> bool) {
        let end = Instant::now() + PATIENCE;
        while !is_so() && Instant::now() < end && !self.is_stopped() {
            pause(LOOK);
        }
    }

    fn happen(&self, outage: Outage) {
        if self.is_stopped() {
            return;
        }
        let from = now();
        match (outage, &self.ground.store) {
            (Outage::Lock(time), _) => {
                self.is_held.store(is_long(time), Ordering::Relaxed);
                self.ground.lock(time);
                self.is_held.store(false, Ordering::Relaxed);
                let locks =
                    if is_long(time) { &self.counts.long_locks } else { &self.counts.locks };
                locks.add();
            }
            (Outage::Restart(how), Store::Server(server)) => {
                server.restart(how).unwrap();
                self.counts.outages.add();
            }
            (Outage::Fill(time), Store::SmallDisk(disk)) => {
                // Nobody begins on a full disk, so somebody must be there to refuse.
                self.is_held.store(true, Ordering::Relaxed);
                self.wait(SOON);
                self.wait_until(|| !self.places.are_empty());
                let full = disk.fill();
                if stuff(self) {
                    self.counts.full.add();
                }
                self.is_held.store(false, Ordering::Relaxed);
                pause(time);
                drop(full);
                self.counts.outages.add();
            }
            (Outage::Restart(_) | Outage::Fill(_), _) => unreachable!("drawn for another store"),
        }
        self.log.trouble(&Trouble::Store { from, to: now() });
    }

    /// A machine that halts for a good part of a lease cuts everybody off, and nobody has done it.
    pub(crate) fn machine(&self, is_over: &AtomicBool) {
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.ground.folder.path("machine"))
            .unwrap();
        while !is_over.load(Ordering::Relaxed) {
            let (from, began) = (now(), Instant::now());
            pause(LOOK);
            file.write_all(b".").unwrap();
            file.sync_data().unwrap();
            if began.elapsed() > STALL {
                self.counts.stalls.add();
                self.log.trouble(&Trouble::Store { from, to: now() });
            }
        }
    }
}
