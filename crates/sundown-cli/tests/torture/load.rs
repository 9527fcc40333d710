//! Clients that are never killed: they ask until they are answered, and write down what they heard.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;
use tokio::time::{sleep, timeout};

use crate::count::Counts;
use crate::errand::command;
use crate::http::get;
use crate::ledger::{Ledger, Promise, now};

/// A frozen replica answers nobody; whoever looks for longer than this looks elsewhere.
const ANSWER: Duration = Duration::from_secs(2);
/// How many may wait before clients hold back.
const ENOUGH: usize = 60;
/// How many clients there are.
const CLIENTS: usize = 4;

/// Where replicas serve just now.
#[derive(Debug, Default)]
pub(crate) struct Places(Mutex<Vec<(usize, SocketAddr)>>);

impl Places {
    pub(crate) fn enter(&self, replica: usize, address: SocketAddr) {
        self.0.lock().unwrap().push((replica, address));
    }

    pub(crate) fn leave(&self, replica: usize) {
        self.0.lock().unwrap().retain(|(known, _)| *known != replica);
    }

    pub(crate) fn are_empty(&self) -> bool {
        self.0.lock().unwrap().is_empty()
    }

    pub(crate) fn any(&self, random: &mut fastrand::Rng) -> Option<SocketAddr> {
        random.choice(self.0.lock().unwrap().iter()).map(|(_, address)| *address)
    }
}

/// All clients of a trial.
pub(crate) struct Load<'a> {
    pub(crate) places: &'a Places,
    pub(crate) ledger: &'a Ledger,
    pub(crate) counts: &'a Counts,
    pub(crate) stop: &'a AtomicBool,
    /// How many tasks wait.
    pub(crate) waiting: AtomicUsize,
    pub(crate) seed: u64,
    /// Whom tasks call.
    pub(crate) url: String,
}

impl Load<'_> {
    /// Submits tasks until it is told to stop.
    #[tokio::main(flavor = "current_thread")]
    pub(crate) async fn run(&self) {
        tokio::join!(self.client(0), self.client(1), self.client(2), self.client(3), self.watch(),);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    async fn client(&self, client: usize) {
        let mut random = fastrand::Rng::with_seed(self.seed + client as u64);
        let mut number = 0;
        // Somebody is at work from the beginning whom only the end of a replica interrupts.
        let first = format!("{:x}-{client}", self.seed);
        self.submit(&mut random, &first, &command("stubborn")).await;
        while !self.is_stopped() {
            let key = format!("{:x}-{client}-{number}", self.seed);
            number += 1;
            if !self.errand(&mut random, &key).await {
                return;
            }
            while !self.is_stopped() && self.waiting.load(Ordering::Relaxed) > ENOUGH {
                sleep(Duration::from_millis(50)).await;
            }
            sleep(Duration::from_millis(random.u64(0..20 * CLIENTS as u64))).await;
        }
    }

    /// Looks what is done, writes down when it heard so, and sees how many wait.
    async fn watch(&self) {
        let mut random = fastrand::Rng::with_seed(self.seed);
        let mut known = BTreeSet::new();
        while !self.is_stopped() {
            sleep(Duration::from_millis(100)).await;
            let Some(address) = self.places.any(&mut random) else { continue };
            if let Some(done) = listed(address, "succeeded").await {
                for task in done {
                    if known.insert(task) {
                        self.ledger.promise(&Promise::Done { task, at: now() });
                    }
                }
            }
            if let Some(waiting) = listed(address, "pending").await {
                self.waiting.store(waiting.len(), Ordering::Relaxed);
            }
        }
    }
}

/// The newest tasks in this state, if the replica answers.
async fn listed(address: SocketAddr, state: &str) -> Option<Vec<i64>> {
    let path = format!("/tasks?state={state}&limit=200");
    let answer = timeout(ANSWER, get(address, &path)).await.ok()?.ok()?;
    let answer: Value = (answer.status == 200).then(|| answer.text().parse().unwrap())?;
    Some(answer["tasks"].as_array().unwrap().iter().map(id).collect())
}

pub(crate) fn id(task: &Value) -> i64 {
    task["id"].as_str().unwrap().parse().unwrap()
}
