//! Replicas that are ended again and again while clients ask them for work.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sundown_drill::postgres::{Server, Stop};
use sundown_drill::process::Signal;

use crate::count::Counts;
use crate::fault::{Fault, Lots};
use crate::ground::{Ground, Store};
use crate::load::Places;
use crate::processes::pause;
use crate::replica::{End, Point, Replica};

/// A start waits for a store that is away, and for a machine that is busy.
const START: Duration = Duration::from_secs(20);
/// After its cap a process is gone at once; the machine may be busy.
const END: Duration = Duration::from_secs(20);
/// A point that is not reached by then is not on the way.
const REACH: Duration = Duration::from_secs(2);
/// For those that are not to be ended by the cap.
const LONG: Duration = Duration::from_secs(20);

/// What goes on in a trial.
pub(crate) struct Siege<'a> {
    pub(crate) ground: &'a Ground,
    pub(crate) counts: &'a Counts,
    pub(crate) places: &'a Places,
    pub(crate) lots: Lots,
    pub(crate) seed: u64,
    /// How many kills are enough.
    pub(crate) kills: usize,
    pub(crate) stop: AtomicBool,
    pub(crate) lives: AtomicUsize,
    pub(crate) orphans: Mutex<Vec<u32>>,
}

impl Siege<'_> {
    pub(crate) fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.counts.kills.get() >= self.kills
    }

    /// The lives of one replica, one after the other.
    pub(crate) fn replica(&self, number: usize) {
        let mut random = fastrand::Rng::with_seed(self.seed ^ (number as u64 + 1) << 32);
        while !self.is_over() {
            let fault = self.lots.draw(&mut random, &self.ground.store);
            self.live(number, fault, &mut random);
        }
    }

    /// Starts a replica; its mark is its own.
    pub(crate) fn start(&self, cap: Duration, point: Option<Point>) -> Replica {
        let life = self.lives.fetch_add(1, Ordering::Relaxed);
        Replica::start(self.ground, format!("{:x}-{life}", self.seed), cap, point)
    }

    fn live(&self, number: usize, fault: Fault, random: &mut fastrand::Rng) {
        let (cap, point) = match fault {
            Fault::Term { cap, .. } => (cap, None),
            Fault::KillAt(point) | Fault::FreezeAt { point, .. } => (LONG, Some(point)),
            Fault::Kill(_) | Fault::KillAtStart(_) | Fault::Freeze { .. } => (LONG, None),
        };
        let mut replica = self.start(cap, point);
        // It may be struck before it serves, and then it never does.
        let patience = if point.is_some() { REACH } else { START };
        if let Fault::KillAtStart(after) = fault {
            pause(after);
        } else if let Some(address) = replica.serves(patience) {
            self.places.enter(number, address);
        } else if point.is_none() {
            self.counts.failed_starts.add();
            println!("torture: it did not start: {}", replica.said());
        }
        self.strike(&mut replica, fault, random);
        self.places.leave(number);
        let ended = replica.end(END);
        if let Fault::Term { .. } = fault
            && ended.exit.code == Some(1)
        {
            self.counts.forced.add();
        }
        self.note(ended, fault);
    }

    fn strike(&self, replica: &mut Replica, fault: Fault, random: &mut fastrand::Rng) {
        match fault {
            Fault::Kill(after) => {
                pause(after);
                self.kill(replica);
            }
            Fault::KillAtStart(_) => self.kill(replica),
            Fault::KillAt(_) => {
                if reached(|| !replica.is_running()) {
                    self.counts.points.add();
                    self.counts.kills.add();
                } else {
                    self.kill(replica);
                }
            }
            Fault::Term { after, more, .. } => {
                pause(after);
                self.counts.terms.add();
                replica.signal(Signal::Term);
                for _ in 0..more {
                    pause(Duration::from_millis(random.u64(1..200)));
                    replica.signal(Signal::Term);
                }
            }
            Fault::Freeze { after, time } => {
                pause(after);
                replica.signal(Signal::Stop);
                self.counts.freezes.add();
                self.thaw(replica, time, random);
            }
            Fault::FreezeAt { point, time } => {
                if reached(|| replica.is_frozen()) {
                    self.counts.freezes.add();
                    if point.calls.starts_with("fdatasync") || point.calls.starts_with("pwrite") {
                        self.counts.mid_commit.add();
                    }
                }
                self.thaw(replica, time, random);
            }
        }
    }

    /// What it does then is the interesting part; so it is left alone for a while.
    fn thaw(&self, replica: &mut Replica, time: Duration, random: &mut fastrand::Rng) {
        pause(time);
        replica.signal(Signal::Cont);
        pause(Duration::from_millis(random.u64(100..700)));
        self.kill(replica);
    }

    fn kill(&self, replica: &mut Replica) {
        replica.signal(Signal::Kill);
        self.counts.kills.add();
    }

    fn note(&self, ended: End, fault: Fault) {
        for _ in 0..ended.refused {
            self.counts.refused.add();
        }
        for process in ended.orphans {
            println!("torture: process {process} was left behind by {fault:?}");
            self.orphans.lock().unwrap().push(process);
        }
    }

    /// Takes the store away from everybody now and then, or locks it, and gives it back.
    pub(crate) fn outages(&self) {
        let mut random = fastrand::Rng::with_seed(self.seed ^ 0x5707);
        while !self.is_over() {
            let next = Instant::now() + Duration::from_millis(random.u64(2500..6000));
            while Instant::now() < next && !self.is_over() {
                pause(Duration::from_millis(50));
            }
            let time = Duration::from_millis(random.u64(200..1800));
            match &self.ground.store {
                Store::SmallDisk(disk) if random.bool() => disk.fill(time),
                Store::Server(server) if random.u32(0..3) > 0 => restart(server, &mut random),
                Store::File | Store::SmallDisk(_) | Store::Server(_) => {
                    self.ground.lock(time);
                    self.counts.locks.add();
                    continue;
                }
            }
            self.counts.outages.add();
        }
    }
}

fn restart(server: &Arc<Server>, random: &mut fastrand::Rng) {
    let how = random.choice([Stop::Fast, Stop::Immediate, Stop::Kill]).unwrap();
    server.restart(how).unwrap();
}

fn reached(is_so: impl Fn() -> bool) -> bool {
    let end = Instant::now() + REACH;
    while !is_so() {
        if Instant::now() > end {
            return false;
        }
        pause(Duration::from_millis(10));
    }
    true
}
