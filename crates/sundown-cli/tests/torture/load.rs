//! Clients that are never killed: they ask until they are answered, and write down what they heard.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::count::Counts;
use crate::http::{Answer, get, request};
use crate::ledger::Ledger;

/// A frozen replica answers nobody; whoever waits longer than this asks another.
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
}

impl Load<'_> {
    /// Submits tasks until it is told to stop.
    #[tokio::main(flavor = "current_thread")]
    pub(crate) async fn run(&self) {
        tokio::join!(self.client(0), self.client(1), self.client(2), self.client(3), self.watch(),);
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    async fn client(&self, client: usize) {
        let mut random = fastrand::Rng::with_seed(self.seed + client as u64);
        let mut number = 0;
        while !self.is_stopped() {
            let key = format!("{:x}-{client}-{number}", self.seed);
            number += 1;
            let body = task(&mut random).to_string();
            if !self.submit(&mut random, &key, &body).await {
                return;
            }
            // An answer may be lost on the way: asking again is no other task.
            if random.u32(0..10) == 0 {
                self.submit(&mut random, &key, &body).await;
            }
            self.counts.acks.add();
            while !self.is_stopped() && self.waiting.load(Ordering::Relaxed) > ENOUGH {
                sleep(Duration::from_millis(50)).await;
            }
            sleep(Duration::from_millis(random.u64(0..20 * CLIENTS as u64))).await;
        }
    }

    /// Asks one replica after the other until one answers, or nobody wants it any more.
    async fn submit(&self, random: &mut fastrand::Rng, key: &str, body: &str) -> bool {
        let headers = format!("Content-Type: application/json\r\nIdempotency-Key: {key}\r\n");
        while !self.is_stopped() {
            let Some(address) = self.places.any(random) else {
                sleep(Duration::from_millis(5)).await;
                continue;
            };
            let asked = timeout(ANSWER, request(address, "POST /tasks", &headers, body)).await;
            match asked {
                Ok(Ok(Answer { status: 200 | 201, body, .. })) => {
                    let answer: Value = serde_json::from_slice(&body).unwrap();
                    self.ledger.ack(id(&answer), key);
                    return true;
                }
                Ok(Ok(answer)) => {
                    assert_eq!(answer.status, 503, "{}", answer.text());
                    sleep(Duration::from_millis(20)).await;
                }
                Ok(Err(_)) | Err(_) => sleep(Duration::from_millis(2)).await,
            }
            self.counts.again.add();
        }
        false
    }

    /// Looks what is done, writes down when it heard so, and sees how many wait.
    async fn watch(&self) {
        let mut random = fastrand::Rng::with_seed(self.seed);
        let mut known = BTreeSet::new();
        while !self.is_stopped() {
            sleep(Duration::from_millis(200)).await;
            let Some(address) = self.places.any(&mut random) else { continue };
            if let Some(done) = listed(address, "succeeded").await {
                for task in done {
                    if known.insert(task) {
                        self.ledger.done(task);
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

/// Most are quick; some take several steps, in a process of their own or in the service itself.
fn task(random: &mut fastrand::Rng) -> Value {
    match random.u32(0..10) {
        0..6 => json!({ "kind": "command", "input": { "command": "quick" } }),
        6..8 => json!({ "kind": "command", "input": { "command": "slow" } }),
        _ => json!({ "kind": "count", "input": { "to": random.u32(2..12), "pause_ms": 25 } }),
    }
}

pub(crate) fn id(task: &Value) -> i64 {
    task["id"].as_str().unwrap().parse().unwrap()
}
