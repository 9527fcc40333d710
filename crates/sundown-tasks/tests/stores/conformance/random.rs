//! Random histories of two processes, compared with the model step by step.

use std::time::Duration;

use sundown_tasks::{Ending, Entry, Fence, Filter, NewTask, Progress, Route, TaskId, What};

use super::Bench;
use super::model::{Model, Row};
use super::support::*;

const STEPS: usize = 2000;
/// So often all that can be seen is compared.
const LOOK: usize = 100;

pub(crate) async fn histories_agree_with_the_model<B: Bench>(_: &B) {
    let (a, b) = (fastrand::u64(..), fastrand::u64(..));
    tokio::join!(history::<B>(0), history::<B>(1), history::<B>(a), history::<B>(b));
}

async fn history<B: Bench>(seed: u64) {
    let bench = B::new(&format!("random-{seed:016x}")).await;
    let mut history = History {
        handles: [bench.open().await, bench.open().await],
        random: fastrand::Rng::with_seed(seed),
        model: Model::default(),
        fences: Vec::new(),
        seed,
    };
    for step in 0..STEPS {
        // Told only if it fails.
        let context = format!("seed {seed}, step {step}");
        history.step(&context).await;
        if step % LOOK == LOOK - 1 {
            history.look(&context).await;
        }
    }
    assert!(history.fences.len() > 100, "seed {seed}: too little happened");
}

struct History {
    handles: [Handle; 2],
    random: fastrand::Rng,
    model: Model,
    /// All attempts ever, with who began them.
    fences: Vec<(usize, Fence)>,
    seed: u64,
}

impl History {
    async fn step(&mut self, context: &str) {
        let who = self.random.usize(0..2);
        let store = self.handles[who].clone();
        match self.random.u8(0..33) {
            0..6 => self.enqueue(&store, context).await,
            6..13 => self.claim(who, &store, context).await,
            13..20 => self.finish(who, &store, context).await,
            20..22 => {
                let (fence, is_overdue) = (self.fence(who), self.random.u8(0..4) == 0);
                let lease = if is_overdue { Duration::ZERO } else { LONG };
                let renewed = store.renew(vec![fence], lease).await.unwrap();
                assert_eq!(renewed, [self.model.renew(who, fence, is_overdue)], "{context}");
            }
            22..25 => self.progress(who, &store, context).await,
            25 => self.rescue(&store, context).await,
            26..28 => {
                let task = self.task();
                let change = store.cancel(task).await.unwrap();
                assert_eq!(change, self.model.cancel(task), "{context}: {task}");
            }
            28..30 => {
                let task = self.task();
                let change = store.requeue(task).await.unwrap();
                assert_eq!(change, self.model.requeue(task), "{context}: {task}");
            }
            30 => {
                let task = self.task();
                let change = store.discard(task).await.unwrap();
                assert_eq!(change, self.model.discard(task), "{context}: {task}");
            }
            31 => self.advertise(who, &store).await,
            _ => {
                if self.random.u8(0..8) == 0 {
                    let purged = store.purge(Duration::ZERO, 100_000).await.unwrap();
                    assert_eq!(purged, self.model.purge(), "{context}");
                }
            }
        }
    }

    async fn enqueue(&mut self, store: &Handle, context: &str) {
        let limit = if self.random.bool() { u64::MAX } else { 40 };
        let random = &mut self.random;
        let new: Vec<_> = (0..random.usize(1..5))
            .map(|_| NewTask {
                kind: ["a", "b", "c"][random.usize(0..3)].to_owned(),
                route: ["", "x", "y"][random.usize(0..3)].to_owned(),
                input: json(["1", "\"two\""][random.usize(0..2)]),
                key: random.bool().then(|| random.u8(0..40).to_string()),
                priority: random.i16(-1..2),
                run_at: (random.u8(0..8) == 0).then(|| now() + 3_600_000),
                max_attempts: random.u32(1..4),
                max_interruptions: random.u32(0..4),
            })
            .collect();
        let said = store.enqueue(new.clone(), limit).await.unwrap();
        assert_eq!(said.len(), new.len(), "{context}");
        for (new, said) in new.iter().zip(said) {
            assert_eq!(said, self.model.enqueue(new, limit, said), "{context}: {new:?}");
        }
    }

    async fn claim(&mut self, who: usize, store: &Handle, context: &str) {
        let random = &mut self.random;
        let routes = [&[][..], &["x"], &["x", "y"], &["y", "z"]];
        let mut wanted = |kind| wanted_of(kind, routes[random.usize(0..4)], random.usize(0..4));
        let mut kinds = vec![wanted("a"), wanted("b"), wanted("c")];
        kinds.truncate(2 + usize::from(random.bool()));
        let (limit, is_overdue) = (random.usize(0..8), random.u8(0..4) == 0);
        let lease = if is_overdue { Duration::ZERO } else { LONG };
        let claims = store.claim(kinds.clone(), limit, lease).await.unwrap();
        let claimed: Vec<_> = claims.iter().map(|claim| claim.fence).collect();
        let expected = self.model.claim(who, &kinds, limit, is_overdue);
        assert_eq!(claimed, expected, "{context}: {kinds:?} {limit}");
        for claim in claims {
            let row = &self.model.rows[&claim.fence.task];
            let told = (claim.failures, claim.interruptions, claim.max_attempts);
            let standing = row.standing;
            let known = (standing.failures, standing.interruptions, standing.max_attempts);
            assert_eq!((told, &claim.checkpoint), (known, &row.checkpoint), "{context}");
            assert_eq!((&claim.kind, claim.input.get()), (&row.new.kind, row.new.input.get()));
            self.fences.push((who, claim.fence));
        }
    }

    async fn finish(&mut self, who: usize, store: &Handle, context: &str) {
        let mut endings = Vec::new();
        for _ in 0..self.random.usize(1..4) {
            let fence = self.fence(who);
            let retry_in = if self.random.u8(0..8) == 0 { LONG } else { Duration::ZERO };
            let ending = match self.random.u8(0..9) {
                0..2 => Ending::Succeeded(json("[1, 2]")),
                2..4 => failed(retry_in),
                4 => Ending::FailedForGood { error: "never".to_owned() },
                5 => interrupted(),
                6 => Ending::Returned,
                7 => Ending::Declined { reason: "not mine".to_owned(), again_in: retry_in },
                _ => Ending::Stopped,
            };
            endings.push((fence, ending));
        }
        let finished = store.finish(endings.clone()).await.unwrap();
        assert_eq!(finished.len(), endings.len(), "{context}");
        for ((fence, ending), finished) in endings.iter().zip(finished) {
            let expected = self.model.finish(who, *fence, ending);
            assert_eq!(finished, expected, "{context}: {fence:?} {ending:?}");
        }
    }

    async fn advertise(&mut self, who: usize, store: &Handle) {
        let (random, mut served) = (&mut self.random, Vec::new());
        for kind in ["a", "b", "c"] {
            for name in ["", "x", "y", "z"] {
                if random.u8(0..4) == 0 {
                    served.push(Route { kind: kind.to_owned(), name: name.to_owned() });
                }
            }
        }
        store.advertise(served.clone(), LONG).await.unwrap();
        self.model.served[who] = served;
    }

    async fn progress(&mut self, who: usize, store: &Handle, context: &str) {
        let fence = self.fence(who);
        let random = &mut self.random;
        let event = random.bool().then(|| json(&random.u8(..).to_string()));
        let at = random.bool().then(|| checkpoint("step", random.i64(..)));
        let news = Progress { fence, event, checkpoint: at };
        let told = store.progress(vec![news.clone()]).await.unwrap();
        assert_eq!(told, [self.model.progress(who, &news)], "{context}: {news:?}");
    }

    async fn rescue(&mut self, store: &Handle, context: &str) {
        let rescued = store.rescue(100_000).await.unwrap();
        let mut rescued: Vec<_> = rescued.into_iter().map(|r| (r.fence, r.state)).collect();
        rescued.sort_by_key(|(fence, _)| *fence);
        assert_eq!(rescued, self.model.rescue(), "{context}");
    }

    /// An attempt: mostly one of late, mostly of this process.
    fn fence(&mut self, who: usize) -> Fence {
        let late = self.fences.len().saturating_sub(30);
        let own = self.fences[late..].iter().filter(|(owner, _)| *owner == who);
        let own: Vec<_> = own.map(|(_, fence)| *fence).collect();
        let any = |fences: &[Fence], random: &mut fastrand::Rng| random.choice(fences).copied();
        if self.random.u8(0..8) > 0 && !own.is_empty() {
            return any(&own, &mut self.random).unwrap();
        }
        let all: Vec<_> = self.fences.iter().map(|(_, fence)| *fence).collect();
        let nobodys = Fence { task: TaskId(1_000_000), attempt: 1 };
        any(&all, &mut self.random).unwrap_or(nobodys)
    }

    fn task(&mut self) -> TaskId {
        let there: Vec<_> = self.model.rows.keys().copied().collect();
        let gone = TaskId(self.random.i64(1..1000));
        if self.random.u8(0..16) == 0 { gone } else { self.random.choice(there).unwrap_or(gone) }
    }

    /// Compares all that can be seen.
    async fn look(&mut self, context: &str) {
        let store = &self.handles[self.random.usize(0..2)];
        let filter = Filter { limit: 100_000, ..Filter::default() };
        let listed = store.list(filter).await.unwrap();
        assert_eq!(
            listed.iter().map(|task| task.id).collect::<Vec<_>>(),
            self.model.rows.keys().rev().copied().collect::<Vec<_>>(),
            "{context}"
        );
        for task in &listed {
            compare(task, &self.model.rows[&task.id], context);
            let events = store.events(task.id, 0, 1000).await.unwrap().unwrap();
            let told: Vec<_> = events.events.iter().map(|e| (e.attempt, word(&e.what))).collect();
            assert_eq!(told, self.model.rows[&task.id].events, "{context}: {}", task.id);
            let last = events.events.len() as u64;
            assert_eq!((events.first_kept, events.last, events.state), (1, last, task.state));
        }
        println!("seed {}: {} tasks agree", self.seed, listed.len());
        assert_eq!(store.unserved().await.unwrap(), self.model.unserved(), "{context}");
        counts_become(store, self.model.counts()).await;
    }
}

fn word(what: &What) -> String {
    match what {
        What::Progress(json) => json.get().to_owned(),
        What::Failed(_) => "failed".to_owned(),
        What::Interrupted(_) => "interrupted".to_owned(),
        What::Requeued => "requeued".to_owned(),
    }
}

fn compare(task: &Entry, row: &Row, context: &str) {
    let context = format!("{context}: {task:?}");
    assert_eq!(seen(task), visible(row.standing), "{context}");
    assert_eq!(task.max_attempts, row.standing.max_attempts, "{context}");
    assert_eq!((task.attempt, task.priority), (row.attempt, row.new.priority), "{context}");
    assert_eq!((&task.kind, &task.key), (&row.new.kind, &row.new.key), "{context}");
    assert_eq!(task.route, row.new.route, "{context}");
    assert_eq!(task.input.get(), row.new.input.get(), "{context}");
    assert_eq!(task.output.as_ref().map(|output| output.get()), row.output.as_deref(), "{context}");
    assert_eq!(task.checkpoint, row.checkpoint, "{context}");
    assert_eq!(task.last_event, row.events.len() as u64, "{context}");
    assert_eq!(task.ended_at.is_some(), row.standing.state.is_final(), "{context}");
    assert_eq!(task.started_at.is_some(), row.attempt > 0, "{context}");
    // The empty one stands for the words of the store.
    match row.error.as_deref() {
        Some("") => assert!(task.error.is_some(), "{context}"),
        error => assert_eq!(task.error.as_deref(), error, "{context}"),
    }
}
