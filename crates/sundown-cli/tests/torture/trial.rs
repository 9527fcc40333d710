//! A trial: replicas under siege, clients that ask them, and in the end the judge.

use std::env;
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

use sundown_drill::process::Signal;

use crate::count::Counts;
use crate::evidence::Evidence;
use crate::fault::{Lots, points};
use crate::ground::{Ground, Store};
use crate::judge::{Crime, Finding, judge};
use crate::last_word::last_word;
use crate::ledger::{Ledger, Step, Trouble, now};
use crate::load::{Load, Places};
use crate::processes::pause;
use crate::replica::{Point, Replica};
use crate::siege::Siege;

/// How many replicas share a store.
const REPLICAS: usize = 3;
/// How many kills a small run has, for each store.
const FEW: usize = 14;
/// How often a long run says how far it is.
const SAY: Duration = Duration::from_secs(15);
/// A trial in which nothing is killed for so long has come to a halt.
const HALT: Duration = Duration::from_secs(60);
/// For replicas that nobody disturbs.
const LONG: Duration = Duration::from_secs(30);

/// How many kills in all a long run is to have.
pub(crate) fn long_run() -> Option<usize> {
    env::var("XTASK_TORTURE").ok().map(|count| count.parse().unwrap())
}

/// What the run is drawn from.
pub(crate) fn seed() -> u64 {
    let told = env::var("XTASK_SEED").ok().map(|seed| seed.parse().unwrap());
    told.unwrap_or_else(|| fastrand::u64(..1 << 32))
}

/// Says what cannot be done here, even where tests are not heard; a long run fails.
pub(crate) fn not_run(what: &str) {
    assert!(long_run().is_none(), "NOT RUN: {what}");
    // Not by `eprintln!`, which is kept from whoever runs tests that pass.
    let line = format!("torture: NOT RUN: {what}\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

/// Nothing is lost, nothing is done twice: on this ground, with this part of all kills.
fn check(ground: &Ground, tenths: usize) {
    let seed = seed();
    let kills = long_run().map_or(FEW * tenths / 5, |count| (count * tenths).div_ceil(10));
    println!("torture: {}: seed {seed}, {kills} kills", ground.store);
    let (counts, began) = (Counts::default(), Instant::now());
    let points = points(&ground.store, long_run().is_some());
    let tried = run(ground, seed, kills, &counts, &points);
    let evidence = Evidence::read(&ground.folder.0);
    let findings = judge(&evidence);
    println!(
        "torture: {}: seed {seed}: {counts}; {}; {}; {:.0} s",
        ground.store,
        size(&evidence),
        summary(&findings),
        began.elapsed().as_secs_f64(),
    );
    say(&findings);
    let missed: Vec<String> =
        tried.iter().flat_map(|lots| &lots.unreached).map(Point::to_string).collect();
    if !points.is_empty() {
        let (all, missed) = (points.len(), missed.len());
        println!("torture: {}: {} of {all} points reached", ground.store, all - missed);
    }
    assert!(findings.is_empty(), "seed {seed}: {}", summary(&findings));
    assert!(missed.is_empty(), "seed {seed}: never reached: {}", missed.join(", "));
    assert!(counts.kills.get() >= kills && !evidence.tasks.is_empty(), "seed {seed}: {counts}");
    let idle = idle(&ground.store, &counts, &evidence);
    assert!(idle.is_empty(), "seed {seed}: never happened: {}: {counts}", idle.join(", "));
}

/// What a run must have seen, and has not.
fn idle(store: &Store, counts: &Counts, evidence: &Evidence) -> Vec<&'static str> {
    let (is_long, has_points) = (long_run().is_some(), !points(store, false).is_empty());
    let failures = evidence.runs.iter().filter(|run| run.step == Step::Fail).count();
    let (is_file, is_disk) = match store {
        Store::File => (true, false),
        Store::SmallDisk(_) => (false, true),
        Store::Server(_) => (false, false),
    };
    let happened = [
        ("a command alive at a kill", true, counts.alive.get()),
        ("SIGTERM", true, counts.terms.get()),
        ("a freeze", true, counts.freezes.get()),
        ("a lock", true, counts.locks.get()),
        ("a long lock", is_long || !is_disk, counts.long_locks.get()),
        ("an outage", !is_file, counts.outages.get()),
        ("a full disk", is_disk, counts.full.get()),
        ("an end at a system call", has_points, counts.points.get()),
        ("a freeze in a commit", has_points && is_file, counts.mid_commit.get()),
        ("a cut off shutdown", is_long && !is_disk, counts.forced.get()),
        ("a refused write", is_long && !is_disk, counts.refused.get()),
        ("a store that does not answer", is_long, counts.unavailable.get()),
        ("a batch", is_long, counts.batches.get()),
        ("a cancelled task", is_long, counts.cancelled.get()),
        ("a task for later", is_long, counts.later.get()),
        ("a failure", is_long, failures),
        ("a replica that lacks something", is_long, counts.partial.get()),
        ("a task that was refused where something is lacking", is_long, counts.elsewhere.get()),
        ("a call", is_long, evidence.calls.len()),
    ];
    let idle = happened.into_iter().filter(|(_, is_due, count)| *is_due && *count == 0);
    idle.map(|(name, _, _)| name).collect()
}

pub(crate) fn size(evidence: &Evidence) -> String {
    let executions = evidence.runs.iter().filter(|run| run.step == Step::Start).count();
    format!("{} tasks, {executions} executions", evidence.tasks.len())
}

pub(crate) fn say(findings: &[Finding]) {
    for finding in findings.iter().take(20) {
        println!("torture: {finding}");
    }
}

/// How much of each there is, in the order in which everybody names them.
pub(crate) fn summary(findings: &[Finding]) -> String {
    let count = |crime| findings.iter().filter(|finding| finding.crime == crime).count();
    let each = Crime::ALL.map(|crime| format!("{} {crime:?}", count(crime)).to_lowercase());
    each.join(", ")
}

/// Answers what was tried.
fn run(ground: &Ground, seed: u64, kills: usize, counts: &Counts, points: &[Point]) -> Vec<Lots> {
    let (places, ledger, stop) =
        (Places::default(), Ledger::create(&ground.ledger()), AtomicBool::new(false));
    let siege = Siege {
        ground,
        counts,
        places: &places,
        ledger: &ledger,
        log: Ledger::create(&ground.siege()),
        seed,
        kills,
        stop: AtomicBool::new(false),
        lives: AtomicUsize::new(0),
        is_store_due: AtomicBool::new(true),
        is_held: AtomicBool::new(false),
    };
    let waiting = AtomicUsize::new(0);
    let url = ground.callee.url();
    let load = Load { places: &places, ledger: &ledger, counts, stop: &stop, waiting, seed, url };
    let is_judged = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // Whatever fails, everybody comes to an end.
        let _end = End(&[&stop, &siege.stop, &is_judged]);
        let asks = scope.spawn(|| load.run());
        let replicas: Vec<_> = (0..REPLICAS)
            .map(|number| {
                let (siege, lots) = (&siege, Lots::new(seed, number, REPLICAS, points));
                scope.spawn(move || siege.replica(number, lots))
            })
            .collect();
        let outages = scope.spawn(|| siege.outages());
        scope.spawn(|| siege.machine(&is_judged));
        watch(&siege, &replicas);
        let tried = replicas.into_iter().map(|replica| replica.join().unwrap()).collect();
        siege.stop.store(true, Ordering::Relaxed);
        outages.join().unwrap();
        stop.store(true, Ordering::Relaxed);
        asks.join().unwrap();
        finish(&siege);
        tried
    })
}

struct End<'a>(&'a [&'a AtomicBool]);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.iter().for_each(|stop| stop.store(true, Ordering::Relaxed));
    }
}

/// Says how far it is, until everything was done.
fn watch(siege: &Siege<'_>, replicas: &[ScopedJoinHandle<'_, Lots>]) {
    let (mut said, mut killed, mut at) = (Instant::now(), 0, Instant::now());
    while replicas.iter().any(|replica| !replica.is_finished()) {
        pause(Duration::from_millis(50));
        if said.elapsed() > SAY {
            said = Instant::now();
            println!("torture: {} of {} kills: {}", siege.counts.kills, siege.kills, siege.counts);
        }
        if siege.counts.kills.get() != killed {
            (killed, at) = (siege.counts.kills.get(), Instant::now());
        }
        assert!(at.elapsed() < HALT, "no replica can be killed any more: {}", siege.counts);
    }
}

/// Two replicas that nobody disturbs finish everything, and are asked for what became of it.
fn finish(siege: &Siege<'_>) {
    siege.ground.is_over();
    let replicas: Vec<Replica> = (0..2).map(|_| siege.start(None, LONG, None)).collect();
    let address = replicas.iter().map(|replica| replica.serves(LONG).unwrap()).next().unwrap();
    siege.ground.folder.keep(&last_word(address));
    for mut replica in replicas {
        let life = replica.mark().to_owned();
        siege.log.trouble(&Trouble::Told { life, at: now() });
        replica.signal(Signal::Term);
        let end = replica.end(LONG);
        assert_eq!(end.exit.code, Some(0), "{}{}", end.exit.stdout, end.exit.stderr);
        for process in end.orphans {
            siege.log.trouble(&Trouble::Orphan { process });
        }
    }
}

#[test]
fn on_one_file_nothing_is_lost_and_nothing_is_done_twice() {
    check(&Ground::file(), 5);
}

#[test]
fn on_one_server_nothing_is_lost_and_nothing_is_done_twice() {
    check(&Ground::server(), 4);
}

#[test]
fn a_full_disk_loses_nothing() {
    match Ground::small_disk() {
        Some(ground) => check(&ground, 1),
        None => not_run("a full disk: no right to mount one"),
    }
}
