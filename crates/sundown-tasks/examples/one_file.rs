//! Processes that share one file of tasks: one takes tasks in, others work; kill any of them.
//!
//! ```text
//! one_file submit tasks.db           # takes in task after task
//! one_file work tasks.db 2000 300    # works: a lease of 2 s, each task takes 0.3 s
//! ```

use std::time::Duration;

use serde_json::value::RawValue;
use sundown_tasks::{
    Claim, Ending, Enqueued, NewTask, SqliteSettings, SqliteStore, Store, StoreError, Wanted,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["submit", path] => submit(&open(path)?).await,
        ["work", path, lease, each] => {
            let millis = |text: &str| text.parse().map(Duration::from_millis);
            work(&open(path)?, millis(lease)?, millis(each)?).await?;
        }
        _ => eprintln!("usage: one_file submit FILE | one_file work FILE LEASE_MS WORK_MS"),
    }
    Ok(())
}

fn open(path: &str) -> Result<SqliteStore, StoreError> {
    let store = SqliteStore::open(SqliteSettings::new(path))?;
    println!("open as {}", store.incarnation());
    Ok(store)
}

/// The key makes it safe to come again after an error: it may have been taken in nevertheless.
async fn submit(store: &SqliteStore) {
    for number in 0_u64.. {
        loop {
            match store.enqueue(vec![task(number)], u64::MAX).await.as_deref() {
                Ok([Enqueued::New(id) | Enqueued::Known(id)]) => {
                    println!("taken in {number} as {id}");
                    break;
                }
                Ok(other) => println!("refused {number}: {other:?}"),
                Err(error) => println!("not taken in {number}: {error}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

async fn work(store: &SqliteStore, lease: Duration, each: Duration) -> Result<(), StoreError> {
    loop {
        // Called before the look: what happens after it is not missed.
        let changed = store.changed();
        for rescued in store.rescue(100).await? {
            println!("rescued {}, attempt {}", rescued.fence.task, rescued.fence.attempt);
        }
        let kinds = vec![Wanted { kind: "greet".to_owned(), routes: [].into(), count: 1 }];
        let claims = store.claim(kinds, 1, lease).await?;
        for claim in &claims {
            run(store, claim, each).await?;
        }
        if claims.is_empty() {
            let _ = tokio::time::timeout(Duration::from_millis(200), changed).await;
        }
    }
}

async fn run(store: &SqliteStore, claim: &Claim, each: Duration) -> Result<(), StoreError> {
    let (task, attempt) = (claim.fence.task, claim.fence.attempt);
    println!("begin {task}, attempt {attempt}");
    tokio::time::sleep(each).await;
    let output = RawValue::from_string("\"hello\"".to_owned()).expect("it is JSON");
    let finished = store.finish(vec![(claim.fence, Ending::Succeeded(output))]).await?;
    println!("end {task}, attempt {attempt}: {:?}", finished[0]);
    Ok(())
}

fn task(number: u64) -> NewTask {
    NewTask {
        kind: "greet".to_owned(),
        route: String::new(),
        input: RawValue::from_string(number.to_string()).expect("a number is JSON"),
        key: Some(format!("greeting {number}")),
        priority: 0,
        run_at: None,
        max_attempts: 3,
        max_interruptions: 100,
    }
}
