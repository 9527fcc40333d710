//! Random plans on the paused clock: whatever hangs, panics, fails or dawdles, the order is kept,
//! the cap is never overrun, nobody is starved of the least time it declared, nothing waits for
//! longer than it must, and everybody is reported exactly once.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use sundown::dag::Dag;
use sundown::{Cause, Coordinator, Outcome, Phase, Priority, Report, Waiter};
use tokio::time::{Instant, sleep};

/// Timers tick in milliseconds; a chain of hand-overs may lose a few.
const TICK: Duration = Duration::from_millis(5);
const PHASES: [&str; 4] = ["announce", "drain", "flush", "release"];

const PRIORITIES: [Priority; 3] = [Priority::Critical, Priority::Normal, Priority::Cleanup];

#[derive(Debug, Clone, Copy, PartialEq)]
enum Does {
    Return(Duration),
    Fail(Duration),
    Panic(Duration),
    Hang,
}

#[derive(Debug, Clone)]
struct Script {
    name: String,
    phase: usize,
    least: Duration,
    hook: Option<Priority>,
    does: Does,
    fallback: Option<Does>,
}

#[derive(Debug)]
struct Scenario {
    cap: Duration,
    scripts: Vec<Script>,
    orders: Vec<Vec<String>>,
}

/// What a waiter saw of its own run: when it started, what its deadline left it, and when its
/// body was gone, by returning, by panicking or by being aborted.
#[derive(Debug, Clone, Copy)]
struct Seen {
    start: Duration,
    left: Duration,
    gone: Option<Duration>,
}

type Sightings = Arc<Mutex<HashMap<String, Seen>>>;

/// Sees the body go.
struct Gone {
    name: String,
    began: Instant,
    seen: Sightings,
}

impl Drop for Gone {
    fn drop(&mut self) {
        let mut seen = self.seen.lock().unwrap();
        seen.get_mut(&self.name).unwrap().gone = Some(self.began.elapsed());
    }
}

fn millis(rng: &mut Rng, below: u64) -> Duration {
    Duration::from_millis(rng.u64(0..below))
}

fn script(rng: &mut Rng, index: usize) -> Script {
    let does = |rng: &mut Rng| match rng.u8(0..10) {
        0 => Does::Hang,
        1 => Does::Panic(millis(rng, 400)),
        2 => Does::Fail(millis(rng, 400)),
        _ => Does::Return(millis(rng, 1500)),
    };
    Script {
        name: format!("w{index}"),
        phase: rng.usize(1..PHASES.len()),
        least: if rng.bool() { Duration::ZERO } else { millis(rng, 300) },
        hook: (rng.u8(0..6) == 0).then(|| rng.choice(PRIORITIES).unwrap()),
        does: does(rng),
        fallback: (rng.u8(0..4) == 0).then(|| does(rng)),
    }
}

fn scenario(rng: &mut Rng) -> Scenario {
    let scripts: Vec<Script> = (0..rng.usize(1..12)).map(|i| script(rng, i)).collect();
    let mut orders = Vec::new();
    for phase in 1..PHASES.len() {
        let mut here: Vec<&Script> =
            scripts.iter().filter(|s| s.phase == phase && s.hook.is_none()).collect();
        // All edges follow one random order of the phase, so none closes a cycle.
        rng.shuffle(&mut here);
        for (later, script) in here.iter().enumerate().skip(1) {
            for _ in 0..rng.usize(0..3) {
                let earlier = here[rng.usize(0..later)];
                orders.push(vec![earlier.name.clone(), script.name.clone()]);
            }
        }
    }
    Scenario { cap: Duration::from_millis(rng.u64(14_000..40_000)), scripts, orders }
}

async fn perform(does: Does) -> Result<(), String> {
    match does {
        Does::Return(after) => sleep(after).await,
        Does::Fail(after) => {
            sleep(after).await;
            return Err("scripted".to_owned());
        }
        Does::Panic(after) => {
            sleep(after).await;
            std::panic::panic_any("scripted");
        }
        Does::Hang => std::future::pending().await,
    }
    Ok(())
}

async fn play(scenario: &Scenario) -> (Report, HashMap<String, Seen>) {
    let coordinator =
        Coordinator::builder().cap(scenario.cap).announce(Duration::ZERO).build().expect("valid");
    let seen = Sightings::default();
    let began = Instant::now();
    for script in &scenario.scripts {
        let (name, seen, does) = (script.name.clone(), seen.clone(), script.does);
        let mut waiter = Waiter::new(script.name.clone(), move |deadline| {
            let here = Seen { start: began.elapsed(), left: deadline.left(), gone: None };
            let before = seen.lock().unwrap().insert(name.clone(), here);
            assert!(before.is_none(), "started twice");
            let gone = Gone { name, began, seen };
            async move {
                let _gone = gone;
                perform(does).await
            }
        })
        .in_phase(Phase::named(PHASES[script.phase]))
        .least(script.least);
        if let Some(priority) = script.hook {
            waiter = waiter.as_hook(priority);
        }
        if let Some(does) = script.fallback {
            waiter = waiter.fallback(move |_| perform(does));
        }
        coordinator.register_waiter(waiter).expect("unique");
    }
    for order in &scenario.orders {
        coordinator.order(order.clone()).expect("not begun");
    }
    coordinator.check().expect("every scenario is valid");
    coordinator.initiate(Cause::requested("scenario"));
    let report = coordinator.run().await;
    assert!(began.elapsed() <= scenario.cap, "the cap is overrun");
    tokio::task::yield_now().await; // whoever was aborted last is dropped by the runtime
    let seen = seen.lock().unwrap().clone();
    (report, seen)
}

fn check(scenario: &Scenario, report: &Report, seen: &HashMap<String, Seen>) {
    let mut rows = BTreeMap::new();
    for (phase, waiter) in report.waiters() {
        let twice = rows.insert(waiter.name.clone(), (phase.to_owned(), waiter.clone()));
        assert!(twice.is_none(), "{} is reported twice", waiter.name);
    }
    assert_eq!(rows.len(), scenario.scripts.len(), "everybody is reported");

    for script in &scenario.scripts {
        let (phase, row) = &rows[&script.name];
        assert_eq!(phase, PHASES[script.phase]);
        let outcome = row.outcome.expect("has ended");
        let Some(seen) = seen.get(&script.name) else {
            assert_eq!(outcome, Outcome::Skipped, "{}", script.name);
            assert!(script.least.is_zero(), "{} declared a least time and was skipped", row.name);
            continue;
        };
        assert!(
            seen.left + TICK >= script.least,
            "{} started with {:?} left, declared {:?}",
            script.name,
            seen.left,
            script.least
        );
        let gone = seen.gone.expect("no body outlives the plan");
        assert!(gone <= seen.start + seen.left + TICK, "{} was not aborted", script.name);
        assert!(row.start.unwrap().abs_diff(seen.start) <= TICK, "{} was not told", script.name);
        assert!(row.end.unwrap() <= row.deadline.unwrap() + TICK, "{} overran", script.name);
        check_outcome(script, seen.left, outcome);
    }
    check_order(scenario, &rows);
    check_hooks(scenario, &rows);
    check_phases(report);
    check_makespan(scenario, report, &rows);
}

/// What it does in time is what it is reported to have done.
fn check_outcome(script: &Script, left: Duration, outcome: Outcome) {
    let ends_in_time = match script.does {
        Does::Return(after) | Does::Fail(after) | Does::Panic(after) => after + TICK < left,
        Does::Hang => false,
    };
    let own = match script.does {
        Does::Return(_) if ends_in_time => Outcome::Done,
        Does::Fail(_) if ends_in_time => Outcome::Failed,
        Does::Panic(_) if ends_in_time => Outcome::Panicked,
        _ => Outcome::TimedOut,
    };
    let is_close = !ends_in_time && script.does != Does::Hang;
    let recovers = matches!(script.fallback, Some(Does::Return(_))) && own != Outcome::Done;
    let fits = outcome == own || recovers && outcome == Outcome::Recovered || is_close;
    assert!(fits, "{script:?} ended {outcome} with {left:?} left");
}

type Rows = BTreeMap<String, (String, sundown::WaiterReport)>;

fn check_order(scenario: &Scenario, rows: &Rows) {
    for order in &scenario.orders {
        let [before, after] = [&rows[&order[0]].1, &rows[&order[1]].1];
        if let (Some(end), Some(start)) = (before.end, after.start) {
            assert!(end <= start, "{} started before {} ended", after.name, before.name);
        }
    }
}

/// Hooks run one at a time, after the waiters of their phase, by priority and registration.
fn check_hooks(scenario: &Scenario, rows: &Rows) {
    for [before, after] in PHASES.iter().flat_map(|phase| hook_edges(scenario, phase)) {
        if let (Some(end), Some(start)) = (rows[&before].1.end, rows[&after].1.start) {
            assert!(end <= start, "{before} ran beside the hook {after}");
        }
    }
}

fn check_phases(report: &Report) {
    for pair in report.phases.windows(2) {
        assert!(pair[0].end <= pair[1].start, "{} overlaps {}", pair[0].name, pair[1].name);
    }
    for phase in &report.phases {
        for waiter in &phase.waiters {
            assert!(waiter.start.is_none_or(|start| Some(start) >= phase.start), "{}", waiter.name);
            assert!(waiter.end <= phase.end, "{} outlives its phase", waiter.name);
        }
    }
}

/// With what everybody really took as weights, no phase takes longer than its critical path.
fn check_makespan(scenario: &Scenario, report: &Report, rows: &Rows) {
    for phase in &report.phases {
        let names: Vec<&String> = phase.waiters.iter().map(|waiter| &waiter.name).collect();
        let place = |name: &String| names.iter().position(|other| *other == name);
        let edges = scenario.orders.iter().filter_map(|o| Some((place(&o[0])?, place(&o[1])?)));
        let hooks = hook_edges(scenario, &phase.name);
        let hooks = hooks.iter().filter_map(|[a, b]| Some((place(a)?, place(b)?)));
        let dag = Dag::new(names.len(), edges.chain(hooks)).expect("checked");
        let took = |name: &&String| {
            let row = &rows[*name].1;
            row.start.zip(row.end).map(|(start, end)| end - start).unwrap_or_default()
        };
        let (critical, _) = dag.critical_path(&names.iter().map(took).collect::<Vec<_>>());
        let (Some(start), Some(end)) = (phase.start, phase.end) else { continue };
        assert!(end - start <= critical + TICK, "{} dawdles: {:?}", phase.name, end - start);
    }
}

/// The edges that hooks add to what the application drew.
fn hook_edges(scenario: &Scenario, phase: &str) -> Vec<[String; 2]> {
    let here = || scenario.scripts.iter().filter(|script| PHASES[script.phase] == phase);
    let mut hooks: Vec<&Script> = here().filter(|script| script.hook.is_some()).collect();
    hooks.sort_by_key(|script| (script.hook, number_of(script)));
    let mut edges: Vec<_> =
        hooks.windows(2).map(|pair| [pair[0].name.clone(), pair[1].name.clone()]).collect();
    if let Some(first) = hooks.first() {
        let waiters = here().filter(|script| script.hook.is_none());
        edges.extend(waiters.map(|waiter| [waiter.name.clone(), first.name.clone()]));
    }
    edges
}

/// The place of a script in the order of registration.
fn number_of(script: &Script) -> u32 {
    script.name[1..].parse().expect("a number")
}

#[test]
fn ten_thousand_random_plans_keep_every_promise() {
    let first = std::env::var("XTASK_SEED").ok().and_then(|seed| seed.parse().ok());
    let all = if std::env::var_os("XTASK_FULL").is_some() { 200_000 } else { 10_000 };
    let seeds = first.map_or(0..all, |seed: u64| seed..seed + 1);
    std::panic::set_hook(Box::new(|info| {
        if info.payload().downcast_ref::<&str>() != Some(&"scripted") {
            eprintln!("{info}");
        }
    }));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    let mut outcomes = HashMap::new();
    for seed in seeds {
        let played = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let scenario = scenario(&mut Rng::with_seed(seed));
            let (report, seen) = runtime.block_on(play(&scenario));
            check(&scenario, &report, &seen);
            report
        }));
        let Ok(report) = played else {
            panic!("seed {seed} broke a promise; XTASK_SEED={seed} plays it alone");
        };
        for (_, waiter) in report.waiters() {
            *outcomes.entry(waiter.outcome.unwrap()).or_insert(0_u32) += 1;
        }
    }
    if first.is_none() {
        // The scenarios are worth nothing if they do not reach what they are about.
        for outcome in [
            Outcome::Done,
            Outcome::Recovered,
            Outcome::Failed,
            Outcome::Panicked,
            Outcome::TimedOut,
        ] {
            assert!(outcomes.get(&outcome).is_some_and(|&n| n > 100), "{outcome}: {outcomes:?}");
        }
    }
}
