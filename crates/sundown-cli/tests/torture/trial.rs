//! A trial: replicas under siege, clients that ask them, and in the end the judge.

use std::collections::BTreeMap;
use std::env;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::time::{Duration, Instant};

use serde_json::Value;
use sundown_drill::process::Signal;
use sundown_tasks::Entry;

use crate::count::Counts;
use crate::fault::Lots;
use crate::ground::Ground;
use crate::http::Client;
use crate::judge::{Crime, Evidence, Finding, Told, judge};
use crate::ledger::{self, Ledger, Step};
use crate::load::{Load, Places};
use crate::processes::pause;
use crate::replica::Replica;
use crate::siege::Siege;
use crate::stream::told;

/// How many replicas share a store.
const REPLICAS: usize = 3;
/// How many kills a small run has, for each store.
const FEW: usize = 14;
/// How often a long run says how far it is.
const SAY: Duration = Duration::from_secs(15);
/// A trial in which nothing is killed for so long has come to a halt.
const HALT: Duration = Duration::from_secs(60);
/// How long replicas that nobody disturbs may take to finish everything.
const FINISH: Duration = Duration::from_secs(120);

/// How many kills in all a long run is to have.
pub(crate) fn long_run() -> Option<usize> {
    env::var("XTASK_TORTURE").ok().map(|count| count.parse().unwrap())
}

/// What the run is drawn from.
pub(crate) fn seed() -> u64 {
    let told = env::var("XTASK_SEED").ok().map(|seed| seed.parse().unwrap());
    told.unwrap_or_else(|| fastrand::u64(..1 << 32))
}

/// Nothing is lost, nothing is done twice: on this ground, with this part of all kills.
fn check(ground: &Ground, tenths: usize) {
    let seed = seed();
    let kills = long_run().map_or(FEW * tenths / 5, |count| (count * tenths).div_ceil(10));
    println!("torture: {}: seed {seed}, {kills} kills", ground.store);
    let counts = Counts::default();
    let evidence = run(ground, seed, kills, &counts);
    let findings = judge(&evidence);
    let executions = evidence.runs.iter().filter(|run| run.step == Step::Start).count();
    let result = summary(&findings);
    println!(
        "torture: {}: seed {seed}: {counts}; {} tasks, {executions} executions; {result}",
        ground.store,
        evidence.tasks.len(),
    );
    for finding in findings.iter().take(20) {
        println!("torture: {finding}");
    }
    assert!(findings.is_empty(), "seed {seed}: {result}");
    assert!(counts.kills.get() >= kills && !evidence.tasks.is_empty(), "seed {seed}: {counts}");
}

/// How much of each there is, in the order in which everybody names them.
fn summary(findings: &[Finding]) -> String {
    let count = |crime| findings.iter().filter(|finding| finding.crime == crime).count();
    let each = Crime::ALL.map(|crime| format!("{} {crime:?}", count(crime)).to_lowercase());
    each.join(", ")
}

fn run(ground: &Ground, seed: u64, kills: usize, counts: &Counts) -> Evidence {
    let (places, ledger, stop) =
        (Places::default(), Ledger::create(&ground.ledger()), AtomicBool::new(false));
    let siege = Siege {
        ground,
        counts,
        places: &places,
        lots: Lots::default(),
        seed,
        kills,
        stop: AtomicBool::new(false),
        lives: AtomicUsize::new(0),
        orphans: Mutex::default(),
    };
    let waiting = AtomicUsize::new(0);
    let load = Load { places: &places, ledger: &ledger, counts, stop: &stop, waiting, seed };
    std::thread::scope(|scope| {
        // Whatever fails, everybody comes to an end.
        let _end = End(&[&stop, &siege.stop]);
        let asks = scope.spawn(|| load.run());
        let replicas: Vec<_> = (0..REPLICAS)
            .map(|number| {
                let siege = &siege;
                scope.spawn(move || siege.replica(number))
            })
            .collect();
        let outages = scope.spawn(|| siege.outages());
        watch(&siege, &replicas);
        for replica in replicas {
            replica.join().unwrap();
        }
        outages.join().unwrap();
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        asks.join().unwrap();
    });
    finish(&siege)
}

struct End<'a>(&'a [&'a AtomicBool]);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.iter().for_each(|stop| stop.store(true, std::sync::atomic::Ordering::Relaxed));
    }
}

/// Says how far it is, until there were kills enough.
fn watch(siege: &Siege<'_>, replicas: &[std::thread::ScopedJoinHandle<'_, ()>]) {
    let (mut said, mut killed, mut at) = (Instant::now(), 0, Instant::now());
    while !siege.is_over() && replicas.iter().any(|replica| !replica.is_finished()) {
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
fn finish(siege: &Siege<'_>) -> Evidence {
    let long = Duration::from_secs(30);
    let replicas: Vec<Replica> = (0..2).map(|_| siege.start(long, None)).collect();
    let address = replicas.iter().map(|replica| replica.serves(long).unwrap()).next().unwrap();
    let (tasks, events) = state(address);
    let mut orphans = siege.orphans.lock().unwrap().clone();
    for mut replica in replicas {
        replica.signal(Signal::Term);
        let end = replica.end(long);
        assert_eq!(end.exit.code, Some(0), "{}{}", end.exit.stdout, end.exit.stderr);
        orphans.extend(end.orphans);
    }
    let (acks, done) = ledger::promises(&siege.ground.ledger());
    Evidence { acks, done, runs: ledger::runs(&siege.ground.record()), tasks, events, orphans }
}

/// Everything the API tells, once nothing waits or runs any more; or when patience ends.
#[tokio::main(flavor = "current_thread")]
pub(crate) async fn state(address: SocketAddr) -> (Vec<Entry>, BTreeMap<i64, Vec<Told>>) {
    let mut client = Client::connect(address).await.unwrap();
    let end = Instant::now() + FINISH;
    while Instant::now() < end {
        let mut open = 0;
        for state in ["pending", "running"] {
            let page = client.get(&format!("/tasks?state={state}&limit=1")).await.unwrap();
            let page: Value = page.text().parse().unwrap();
            open += page["tasks"].as_array().unwrap().len();
        }
        if open == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let (mut tasks, mut next) = (Vec::<Entry>::new(), String::new());
    loop {
        let page = client.get(&format!("/tasks?limit=500{next}")).await.unwrap();
        let mut page: Value = page.text().parse().unwrap();
        tasks.extend(serde_json::from_value::<Vec<Entry>>(page["tasks"].take()).unwrap());
        let Some(cursor) = page["next"].as_str() else { break };
        next = format!("&cursor={cursor}");
    }
    let mut events = BTreeMap::new();
    for task in tasks.iter().filter(|task| task.state.is_final()) {
        // A stream ends with its connection.
        let stream = crate::http::get(address, &format!("/tasks/{}/events", task.id)).await;
        events.extend(told(&stream.unwrap().body).map(|told| (task.id.0, told)));
    }
    (tasks, events)
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
        None => println!("torture: full disk: NOT RUN (no right to mount one)"),
    }
}
