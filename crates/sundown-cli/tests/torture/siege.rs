//! Replicas that are ended again and again while clients ask them for work.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use sundown_drill::process::Signal;

use crate::count::Counts;
use crate::fault::{Fault, Lots};
use crate::ground::Ground;
use crate::ledger::{Ledger, Trouble, now};
use crate::load::Places;
use crate::processes::pause;
use crate::replica::{End, Point, Replica};

/// A start waits for a store that is away, and for a machine that is busy.
const START: Duration = Duration::from_secs(20);
/// After its cap a process is gone at once; the machine may be busy.
const END: Duration = Duration::from_secs(20);
/// A point that is not reached by then is not on the way.
const REACH: Duration = Duration::from_secs(3);
/// For those that are not to be ended by the cap.
const LONG: Duration = Duration::from_secs(20);
/// The exit code of those who could not begin.
const START_ERROR: i32 = 2;
/// Whoever could not begin tries again so much later.
const AGAIN: Duration = Duration::from_millis(200);
/// How often it is looked how a replica does.
const LOOK: Duration = Duration::from_millis(10);

/// What a replica may not have that tasks need; most have everything.
const LACKS: [Option<&str>; 6] = [None, None, None, Some("slow"), Some("flaky"), Some("http")];

/// What goes on in a trial.
pub(crate) struct Siege<'a> {
    pub(crate) ground: &'a Ground,
    pub(crate) counts: &'a Counts,
    pub(crate) places: &'a Places,
    pub(crate) ledger: &'a Ledger,
    /// What was done is written down here.
    pub(crate) log: Ledger,
    pub(crate) seed: u64,
    /// How many kills are enough.
    pub(crate) kills: usize,
    pub(crate) stop: AtomicBool,
    pub(crate) lives: AtomicUsize,
    /// Something must still be done to the store.
    pub(crate) is_store_due: AtomicBool,
    /// The store is locked for longer than anybody waits for it, or its disk is full: whoever serves is
    /// left alone for a while, so that somebody hears what it says.
    pub(crate) is_held: AtomicBool,
}

impl Siege<'_> {
    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn is_enough(&self) -> bool {
        self.counts.kills.get() >= self.kills && !self.is_store_due.load(Ordering::Relaxed)
    }

    /// The lives of one replica, one after the other. Answers its lots.
    pub(crate) fn replica(&self, number: usize, mut lots: Lots) -> Lots {
        while !self.is_stopped() && (lots.are_due() || !self.is_enough()) {
            let fault = lots.draw(!self.is_enough());
            while !self.live(number, fault, &mut lots) && !self.is_stopped() {}
        }
        lots
    }

    /// Starts a replica; its mark is its own.
    pub(crate) fn start(
        &self,
        lacks: Option<&str>,
        cap: Duration,
        point: Option<Point>,
    ) -> Replica {
        let life = self.lives.fetch_add(1, Ordering::Relaxed);
        if lacks.is_some() {
            self.counts.partial.add();
        }
        Replica::start(self.ground, format!("{:x}-{life}", self.seed), lacks, cap, point)
    }

    /// One life. Answers whether it came to its fault: a store that is away may let nobody begin.
    fn live(&self, number: usize, fault: Fault, lots: &mut Lots) -> bool {
        let (cap, point) = match fault {
            Fault::Term { cap, .. } => (cap, None),
            Fault::KillAt(point) | Fault::FreezeAt { point, .. } => (LONG, Some(point)),
            Fault::Kill(_) | Fault::KillAtStart(_) | Fault::Freeze { .. } => (LONG, None),
        };
        let lacks = LACKS[lots.random.usize(0..LACKS.len())];
        let mut replica = self.start(lacks, cap, point);
        let waits = !matches!(fault, Fault::KillAtStart(_));
        let has_begun = !waits || self.serves(&replica, number) || point.is_some();
        let said = replica.said();
        let struck = if has_begun {
            self.strike(&mut replica, fault, lots)
        } else {
            self.kill(&mut replica);
            None
        };
        self.places.leave(number);
        let life = replica.mark().to_owned();
        let ended = replica.end(END);
        self.log.trouble(&Trouble::Ended { life: life.clone(), at: now() });
        let has_failed = !has_begun || ended.exit.code == Some(START_ERROR);
        if has_failed {
            self.counts.failed_starts.add();
            println!("torture: it did not start: {said}");
            pause(AGAIN);
        }
        if let Some(at) = struck.filter(|_| !has_failed) {
            self.log.trouble(&Trouble::Told { life, at });
            self.counts.points.add();
            self.counts.kills.add();
            lots.tried(true);
        }
        if matches!(fault, Fault::Term { .. }) && ended.exit.code == Some(1) {
            self.counts.forced.add();
        }
        self.note(ended, fault);
        !has_failed
    }

    /// Waits until it serves, and says so to the clients. It may be struck before, and then it never
    /// does.
    fn serves(&self, replica: &Replica, number: usize) -> bool {
        let end = Instant::now() + START;
        while Instant::now() < end && replica.is_running() && !replica.is_frozen() {
            if let Some(address) = replica.serves(LOOK) {
                self.places.enter(number, address);
                return true;
            }
        }
        false
    }

    /// Answers when it was last seen alive, if it is gone by a point.
    fn strike(&self, replica: &mut Replica, fault: Fault, lots: &mut Lots) -> Option<Duration> {
        match fault {
            Fault::Kill(after) => {
                pause(after);
                self.hold(lots);
                self.kill(replica);
            }
            Fault::KillAtStart(after) => {
                pause(after);
                self.kill(replica);
            }
            Fault::KillAt(point) => {
                let struck = reached(|| !replica.is_running());
                if struck.is_some() {
                    return struck;
                }
                self.miss(replica, point, lots);
            }
            Fault::Term { after, more, .. } => {
                pause(after);
                self.hold(lots);
                // Some come while what was begun is still handed back.
                let apart = if lots.random.bool() { 40 } else { 200 };
                self.tell(replica, Signal::Term);
                self.counts.terms.add();
                for _ in 0..more {
                    pause(Duration::from_millis(lots.random.u64(1..apart)));
                    replica.signal(Signal::Term);
                }
            }
            Fault::Freeze { after, time } => {
                pause(after);
                self.hold(lots);
                let from = now();
                replica.signal(Signal::Stop);
                self.counts.freezes.add();
                self.thaw(replica, from, time, lots);
            }
            Fault::FreezeAt { point, time } => {
                if let Some(from) = reached(|| replica.is_frozen()) {
                    lots.tried(true);
                    self.counts.freezes.add();
                    self.counts.points.add();
                    if point.calls.starts_with("fsync") || point.calls.starts_with("pwrite") {
                        self.counts.mid_commit.add();
                    }
                    self.thaw(replica, from, time, lots);
                } else {
                    self.miss(replica, point, lots);
                }
            }
        }
        None
    }

    fn miss(&self, replica: &mut Replica, point: Point, lots: &mut Lots) {
        println!("torture: not reached: {point}");
        lots.tried(false);
        self.kill(replica);
    }

    /// What it does then is the interesting part; so it is left alone for a while.
    fn thaw(&self, replica: &mut Replica, from: Duration, time: Duration, lots: &mut Lots) {
        pause(time);
        replica.signal(Signal::Cont);
        let life = replica.mark().to_owned();
        self.log.trouble(&Trouble::Frozen { life, from, to: now() });
        pause(Duration::from_millis(lots.random.u64(100..700)));
        self.kill(replica);
    }

    /// Some live until their patience with a lock is over, and some until it is gone.
    fn hold(&self, lots: &mut Lots) {
        let end = Instant::now() + Duration::from_millis(lots.random.u64(5500..13000));
        while self.is_held.load(Ordering::Relaxed) && Instant::now() < end && !self.is_stopped() {
            pause(LOOK);
        }
    }

    /// Unless it has ended by itself.
    fn kill(&self, replica: &mut Replica) {
        if !replica.is_running() {
            return;
        }
        let commands = replica.commands();
        self.tell(replica, Signal::Kill);
        self.counts.kills.add();
        (0..commands).for_each(|_| self.counts.alive.add());
    }

    fn tell(&self, replica: &mut Replica, signal: Signal) {
        let told = Trouble::Told { life: replica.mark().to_owned(), at: now() };
        self.log.trouble(&told);
        replica.signal(signal);
    }

    fn note(&self, ended: End, fault: Fault) {
        for _ in 0..ended.refused {
            self.counts.refused.add();
        }
        for process in ended.orphans {
            println!("torture: process {process} was left behind by {fault:?}");
            self.log.trouble(&Trouble::Orphan { process });
        }
    }
}

/// When it was seen for the last time that it was not so; nothing if it never came to that.
fn reached(is_so: impl Fn() -> bool) -> Option<Duration> {
    let end = Instant::now() + REACH;
    let mut before = now();
    while !is_so() {
        if Instant::now() > end {
            return None;
        }
        before = now();
        pause(LOOK);
    }
    Some(before)
}
