//! What the API says in the end.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::evidence::LastWord;
use crate::http::{Client, get};
use crate::load::id;
use crate::stream::whole;

/// How often in a row it must be seen that nothing waits and nothing runs.
const QUIET: u32 = 5;

/// How long replicas that nobody disturbs may take to finish everything.
const FINISH: Duration = Duration::from_secs(120);

/// Everything it tells, once nothing waits or runs any more; or when patience ends.
#[tokio::main(flavor = "current_thread")]
pub(crate) async fn last_word(address: SocketAddr) -> LastWord {
    let mut client = Client::connect(address).await.unwrap();
    let end = Instant::now() + FINISH;
    // A task that is taken back between two questions is seen by neither.
    let mut quiet = 0;
    while Instant::now() < end && quiet < QUIET {
        let mut open = 0;
        for state in ["pending", "running"] {
            let page = client.get(&format!("/tasks?state={state}&limit=1")).await.unwrap();
            let page: Value = page.text().parse().unwrap();
            open += page["tasks"].as_array().unwrap().len();
        }
        quiet = if open == 0 { quiet + 1 } else { 0 };
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let (mut last, mut next) = (LastWord::default(), String::new());
    loop {
        let page = client.get(&format!("/tasks?limit=500{next}")).await.unwrap();
        let mut page: Value = page.text().parse().unwrap();
        last.tasks.append(page["tasks"].as_array_mut().unwrap());
        let Some(cursor) = page["next"].as_str() else { break };
        next = format!("&cursor={cursor}");
    }
    let is_over = |task: &&Value| task["state"] != "pending" && task["state"] != "running";
    for task in last.tasks.iter().filter(is_over) {
        let task = id(task);
        // A stream ends with its connection.
        let stream = get(address, &format!("/tasks/{task}/events")).await;
        last.events.extend(whole(&stream.unwrap().body).map(|events| (task, events)));
    }
    last
}
