//! Clients that follow tasks while the replicas under them are restarted, one after the other.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use sundown_drill::process::Signal;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{sleep, timeout};

use crate::ground::Ground;
use crate::http::{Client, get, request};
use crate::load::{Places, id};
use crate::replica::Replica;
use crate::service::PATIENCE;
use crate::stream::{Heard, Reader};
use crate::trial::{long_run, seed};

/// How many tasks are followed; two replicas run them all.
const TASKS: usize = 10;
/// Closing a file may wait for a busy disk.
const CAP: Duration = Duration::from_secs(10);
/// Within so long every follower has heard everything.
const HEARD: Duration = Duration::from_secs(180);
/// From one restart to the next.
const CALM: Duration = Duration::from_millis(500);

/// What one client heard of one task, and how often it had to come back.
struct Followed {
    task: i64,
    heard: Vec<Heard>,
    connections: usize,
}

/// Follows a task to its end, wherever it is told of.
async fn follow(places: Arc<Places>, task: i64, seed: u64) -> Followed {
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut heard, mut last, mut connections) = (Vec::<Heard>::new(), 0, 0);
    loop {
        let Some(address) = places.any(&mut random) else {
            sleep(Duration::from_millis(10)).await;
            continue;
        };
        connections += 1;
        let mut reader = Reader::default();
        let opened = open(address, task, last).await;
        let Ok(mut client) = opened else {
            sleep(Duration::from_millis(20)).await;
            continue;
        };
        while let Ok(piece) = chunk(&mut client).await {
            if piece.is_empty() {
                break;
            }
            reader.add(&piece);
            while let Some(event) = reader.next() {
                let Some(id) = event.id else {
                    assert_eq!(event.name, "over", "task {task} after event {last}");
                    return Followed { task, heard, connections };
                };
                last = id;
                heard.push(event);
            }
        }
    }
}

async fn open(address: SocketAddr, task: i64, last: u64) -> Result<Client, String> {
    let mut client = Client::connect(address).await.map_err(|error| error.to_string())?;
    let headers = if last == 0 { String::new() } else { format!("Last-Event-ID: {last}\r\n") };
    let asked = client.ask(&format!("GET /tasks/{task}/events"), &headers).await;
    asked.map_err(|error| error.to_string())?;
    let head = client.head().await?;
    if head.starts_with("http/1.1 200") { Ok(client) } else { Err(head) }
}

/// One chunk of a body; nothing is its end.
async fn chunk(client: &mut Client) -> Result<Vec<u8>, String> {
    let mut size = Vec::new();
    while !size.ends_with(b"\r\n") {
        size.extend(client.bytes(1).await?);
    }
    let size = String::from_utf8_lossy(&size);
    let size = usize::from_str_radix(size.trim(), 16).map_err(|_| format!("no size: {size:?}"))?;
    let piece = client.bytes(size).await?;
    client.bytes(2).await?;
    Ok(piece)
}

/// Restarts the replicas in turn; every third time there is no warning.
fn restart(
    ground: &Ground,
    places: &Places,
    restarts: usize,
    mut replicas: Vec<Replica>,
) -> Replica {
    for restart in 0..restarts {
        crate::processes::pause(CALM);
        places.leave(restart % 2);
        let mut replica = replicas.remove(0);
        replica.signal(if restart % 3 == 2 { Signal::Kill } else { Signal::Term });
        let end = replica.end(PATIENCE);
        assert!(restart % 3 == 2 || end.exit.code == Some(0), "{}", end.exit.stderr);
        replicas.push(serve(ground, places, restart % 2, restart + 2));
    }
    places.leave(restarts % 2);
    // One is enough for what is left.
    drop(replicas.remove(0));
    replicas.remove(0)
}

fn serve(ground: &Ground, places: &Places, place: usize, life: usize) -> Replica {
    let replica = Replica::start(ground, format!("follow-{life}"), None, CAP, None);
    places.enter(place, replica.serves(PATIENCE).unwrap());
    replica
}

async fn check(ground: Ground, clients: usize, restarts: usize) {
    let seed = seed();
    let (ground, places) = (Arc::new(ground), Arc::new(Places::default()));
    let replicas: Vec<_> = (0..2).map(|place| serve(&ground, &places, place, place)).collect();
    let mut random = fastrand::Rng::with_seed(seed);
    let mut tasks = Vec::new();
    for _ in 0..TASKS {
        let input = json!({ "to": restarts * 20, "pause_ms": 50 });
        let body = json!({ "kind": "count", "input": input }).to_string();
        let address = places.any(&mut random).unwrap();
        let headers = "Content-Type: application/json\r\n";
        let answer = request(address, "POST /tasks", headers, &body).await.unwrap();
        tasks.push(id(&answer.text().parse().unwrap()));
    }
    let mut following = JoinSet::new();
    for client in 0..clients {
        following.spawn(follow(places.clone(), tasks[client % TASKS], seed + client as u64));
    }
    let restarting = {
        let (ground, places) = (ground.clone(), places.clone());
        spawn_blocking(move || restart(&ground, &places, restarts, replicas))
    };
    let last = restarting.await.unwrap();
    let followed = timeout(HEARD, following.join_all()).await;
    let followed =
        followed.unwrap_or_else(|_| panic!("seed {seed}: a follower never heard the end"));
    let address = places.any(&mut random).unwrap();
    let (mut events, mut attempts) = (0, 0);
    let connections: usize = followed.iter().map(|followed| followed.connections).sum();
    for followed in &followed {
        let (stored, entry) = stored(address, followed.task).await;
        assert_eq!(followed.heard, stored, "seed {seed}: task {}", followed.task);
        assert_eq!(entry["last_event"].as_u64(), Some(stored.len() as u64));
        events += stored.len();
        attempts += usize::try_from(entry["attempt"].as_u64().unwrap()).unwrap();
    }
    println!(
        "torture: {}: seed {seed}: {clients} followers, {restarts} restarts, {connections} \
         connections, {events} events, each what is stored; {:.1} attempts for a task",
        ground.store,
        attempts as f64 / clients as f64,
    );
    assert!(attempts > clients && connections > clients, "nothing changed in mid-stream");
    drop(last);
}

/// The log as it is kept, and the task.
async fn stored(address: SocketAddr, task: i64) -> (Vec<Heard>, Value) {
    let log = get(address, &format!("/tasks/{task}/events")).await.unwrap();
    let mut reader = Reader::default();
    reader.add(&log.body);
    let mut events: Vec<Heard> = std::iter::from_fn(|| reader.next()).collect();
    assert_eq!(events.pop().unwrap().name, "over");
    let entry = get(address, &format!("/tasks/{task}")).await.unwrap();
    (events, entry.text().parse().unwrap())
}

/// How many clients, and how many restarts.
fn size() -> (usize, usize) {
    let is_full = long_run().is_some() || std::env::var_os("XTASK_FULL").is_some();
    if is_full { (120, 12) } else { (20, 3) }
}

#[tokio::test(flavor = "multi_thread")]
async fn on_one_file_followers_hear_exactly_what_is_stored_across_rolling_restarts() {
    let (clients, restarts) = size();
    check(Ground::file(), clients, restarts).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_one_server_followers_hear_exactly_what_is_stored_across_rolling_restarts() {
    let (clients, restarts) = size();
    check(Ground::server(), clients, restarts).await;
}
