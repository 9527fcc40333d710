//! What clients want: one task, several at once, one for later, one that nobody wants any more.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::http::{Answer, request};
use crate::ledger::{Promise, now};
use crate::load::{Load, id};
use crate::siege::Siege;

/// A frozen replica answers nobody. Most clients that wait longer than this ask another.
const IMPATIENT: Duration = Duration::from_secs(2);
/// Some hear what a store says that is locked: nothing for 5 s, or twice as long behind others.
const PATIENT: Duration = Duration::from_secs(12);
/// The most that a batch has.
const BATCH: usize = 6;

/// What every replica can run: most are quick; some do not listen; some take several steps in the service
/// itself.
fn for_all(random: &mut fastrand::Rng) -> Value {
    match random.u32(0..60) {
        0..38 => command("quick"),
        38..44 => command("stubborn"),
        _ => json!({ "kind": "count", "input": { "to": random.u32(2..12), "pause_ms": 25 } }),
    }
}

pub(crate) fn command(name: &str) -> Value {
    json!({ "kind": "command", "input": { "command": name } })
}

impl Load<'_> {
    /// What some replicas cannot run, now and then: what takes several steps in a process of its own, what
    /// fails at first, calls. Each call has a name of its own.
    fn task(&self, random: &mut fastrand::Rng) -> Value {
        match random.u32(0..100) {
            0..60 => for_all(random),
            60..76 => command("slow"),
            76..86 => command("flaky"),
            _ => {
                let url = format!("{}/{:016x}", self.url, random.u64(..));
                json!({ "kind": "http", "input": { "url": url, "body": "x" } })
            }
        }
    }

    /// One thing that a client wants. Answers whether it was done, or nobody waits for it any more.
    pub(crate) async fn errand(&self, random: &mut fastrand::Rng, key: &str) -> bool {
        match random.u32(0..100) {
            0..12 => self.batch(random, key).await,
            12..22 => self.later(random, key).await,
            22..34 => self.cancel(random, key).await,
            _ => {
                let task = self.task(random);
                self.submit(random, key, &task).await.is_some()
            }
        }
    }

    async fn batch(&self, random: &mut fastrand::Rng, key: &str) -> bool {
        let keys: Vec<String> =
            (0..random.usize(2..=BATCH)).map(|number| format!("{key}-{number}")).collect();
        let keyed = keys.iter().map(|key| with(for_all(random), "key", json!(key)));
        let body = json!({ "tasks": keyed.collect::<Vec<_>>() }).to_string();
        self.ledger.promise(&Promise::Batch { keys: keys.clone() });
        let is_whole = |answer: &Answer| answer.status == 200 && refusals(answer) == 0;
        let Some(answer) = self.ask(random, "POST /tasks/batch", "", &body, is_whole).await else {
            return false;
        };
        for (key, result) in keys.iter().zip(results(&answer)) {
            self.ledger.promise(&Promise::Ack { task: id(&result), key: key.clone() });
        }
        self.counts.batches.add();
        true
    }

    async fn later(&self, random: &mut fastrand::Rng, key: &str) -> bool {
        let not_before = now() + Duration::from_millis(random.u64(100..3000));
        let not_before = u64::try_from(not_before.as_millis()).unwrap();
        let promise =
            Promise::Later { key: key.to_owned(), not_before: Duration::from_millis(not_before) };
        self.ledger.promise(&promise);
        let task = with(self.task(random), "run_at", json!(not_before));
        self.counts.later.add();
        self.submit(random, key, &task).await.is_some()
    }

    async fn cancel(&self, random: &mut fastrand::Rng, key: &str) -> bool {
        let task = self.task(random);
        let Some(task) = self.submit(random, key, &task).await else { return false };
        sleep(Duration::from_millis(random.u64(0..400))).await;
        self.ledger.promise(&Promise::Wish { task });
        let line = format!("DELETE /tasks/{task}");
        let is_clear = |answer: &Answer| [200, 202, 409].contains(&answer.status);
        let Some(answer) = self.ask(random, &line, "", "", is_clear).await else { return false };
        let at = now();
        self.ledger.promise(&match answer.status {
            200 => Promise::Cancelled { task, at },
            202 => Promise::Stopping { task, at },
            // It was over already.
            _ => Promise::Done { task, at },
        });
        self.counts.cancelled.add();
        true
    }

    /// Hands in one task. An answer may be lost on the way: asking again is no other task.
    pub(crate) async fn submit(
        &self,
        random: &mut fastrand::Rng,
        key: &str,
        task: &Value,
    ) -> Option<i64> {
        let headers = format!("Idempotency-Key: {key}\r\n");
        let (times, body) = (1 + usize::from(random.u32(0..10) == 0), task.to_string());
        let mut found = None;
        for _ in 0..times {
            let is_taken = |answer: &Answer| [200, 201].contains(&answer.status);
            let answer = self.ask(random, "POST /tasks", &headers, &body, is_taken).await?;
            let task = id(&json(&answer));
            self.ledger.promise(&Promise::Ack { task, key: key.to_owned() });
            found = Some(task);
        }
        self.counts.acks.add();
        found
    }

    /// Asks one replica after the other until one answers so, or nobody wants it any more.
    async fn ask(
        &self,
        random: &mut fastrand::Rng,
        line: &str,
        headers: &str,
        body: &str,
        is_answer: impl Fn(&Answer) -> bool,
    ) -> Option<Answer> {
        let headers = format!("Content-Type: application/json\r\n{headers}");
        while !self.is_stopped() {
            let Some(address) = self.places.any(random) else {
                sleep(Duration::from_millis(5)).await;
                continue;
            };
            let patience = if random.bool() { PATIENT } else { IMPATIENT };
            match timeout(patience, request(address, line, &headers, body)).await {
                Ok(Ok(answer)) if is_answer(&answer) => return Some(answer),
                Ok(Ok(answer)) => {
                    let is_elsewhere = answer.status == 422 && lacks(&answer);
                    if is_elsewhere {
                        self.counts.elsewhere.add();
                    }
                    let is_refused = answer.status == 503 || refusals(&answer) > 0;
                    assert!(
                        is_refused || is_elsewhere,
                        "{line}: {} {}",
                        answer.status,
                        answer.text()
                    );
                    if answer.text().contains("\"store\"") {
                        self.counts.unavailable.add();
                    }
                    sleep(Duration::from_millis(20)).await;
                }
                Ok(Err(_)) | Err(_) => sleep(Duration::from_millis(2)).await,
            }
            self.counts.again.add();
        }
        None
    }
}

fn with(mut task: Value, name: &str, value: Value) -> Value {
    task[name] = value;
    task
}

fn json(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap()
}

fn results(answer: &Answer) -> Vec<Value> {
    let answer: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    answer["results"].as_array().cloned().unwrap_or_default()
}

/// Whether the replica has not what the task needs.
fn lacks(answer: &Answer) -> bool {
    let text = answer.text();
    ["there is no command", "there is no kind `http`"].iter().any(|part| text.contains(part))
}

/// How many of a batch were refused.
fn refusals(answer: &Answer) -> usize {
    results(answer).iter().filter(|result| result["error"].is_object()).count()
}

/// Hands in large tasks, until one is refused because there is no room. Answers whether that was so.
#[tokio::main(flavor = "current_thread")]
pub(crate) async fn stuff(siege: &Siege<'_>) -> bool {
    const PATIENCE: Duration = Duration::from_secs(15);
    let mut random = fastrand::Rng::with_seed(siege.seed);
    let (end, large) = (Instant::now() + PATIENCE, ".".repeat(200_000));
    let life = siege.counts.outages.get();
    let mut number = 0;
    while Instant::now() < end && !siege.is_stopped() {
        let Some(address) = siege.places.any(&mut random) else {
            sleep(Duration::from_millis(5)).await;
            continue;
        };
        let key = format!("{:x}-large-{life}-{number}", siege.seed);
        let task = json!({
            "kind": "command", "key": key, "input": { "command": "quick", "stdin": large },
        });
        let Some(answer) = hand_in(address, &task).await else { continue };
        match answer.status {
            200 | 201 => {
                siege.ledger.promise(&Promise::Ack { task: id(&json(&answer)), key });
                number += 1;
            }
            503 if answer.text().contains("make room on its disk") => return true,
            503 => sleep(Duration::from_millis(20)).await,
            other => panic!("{other}: {}", answer.text()),
        }
    }
    false
}

async fn hand_in(address: SocketAddr, task: &Value) -> Option<Answer> {
    let headers = "Content-Type: application/json\r\n";
    let body = task.to_string();
    timeout(IMPATIENT, request(address, "POST /tasks", headers, &body)).await.ok()?.ok()
}
