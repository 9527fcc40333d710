//! The server does what it is asked, and its answer is lost on the way.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use sundown_tasks::{Enqueued, Finish, PostgresSettings, PostgresStore, Progress, State, Store};

use crate::ground::*;

/// A wire to the server that loses the next answer, and the connection with it, when it is told to.
struct Wire {
    port: u16,
    loses: Arc<AtomicBool>,
}

impl Wire {
    fn new(server: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let loses = Arc::new(AtomicBool::new(false));
        let losing = Arc::clone(&loses);
        thread::spawn(move || {
            for client in listener.incoming() {
                let (client, server) =
                    (client.unwrap(), TcpStream::connect(("127.0.0.1", server)).unwrap());
                let (to, from) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                let never = Arc::new(AtomicBool::new(false));
                thread::spawn(move || carry(from, to, &never));
                let losing = Arc::clone(&losing);
                thread::spawn(move || carry(server, client, &losing));
            }
        });
        Wire { port, loses }
    }

    async fn open(&self, schema: &str) -> Arc<PostgresStore> {
        let url = format!("postgres://postgres@127.0.0.1:{}/postgres", self.port);
        let settings = PostgresSettings::new(url).schema(schema).connections(1);
        let store = open(settings.listen(None)).await;
        // News of what comes before go over the same wire.
        store.counts().await.unwrap();
        store
    }

    /// Loses the next answer. What is told to others has been told by then.
    async fn lose(&self) {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        self.loses.store(true, Ordering::SeqCst);
    }

    fn has_lost(&self) -> bool {
        !self.loses.load(Ordering::SeqCst)
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, loses: &AtomicBool) {
    let mut bytes = [0; 65536];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        if loses.swap(false, Ordering::SeqCst) || to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_whose_answer_was_lost_is_found_again() {
    let wire = Wire::new(server().port());
    let store = wire.open("lost_claim").await;
    let task = enqueue(&store, "a").await;
    wire.lose().await;
    let claims = claim(&store, "a", 9).await;
    assert!(wire.has_lost());
    assert_eq!((claims[0].fence.task, claims[0].fence.attempt, claims.len()), (task, 1, 1));
    let counts = store.counts().await.unwrap();
    assert_eq!((counts.pending, counts.running), (0, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_whose_answer_was_lost_is_still_its_own() {
    let wire = Wire::new(server().port());
    let store = wire.open("lost_end").await;
    let fence = running(&store, "a").await;
    wire.lose().await;
    let finished = store.finish(vec![(fence, succeeded())]).await.unwrap();
    assert!(wire.has_lost());
    assert_eq!(finished, [Finish::Now(State::Succeeded)]);
    assert_eq!(store.counts().await.unwrap().running, 0);
    assert_eq!(store.finish(vec![(fence, succeeded())]).await.unwrap(), [Finish::Superseded]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_is_taken_in_once_and_known_by_its_key() {
    let wire = Wire::new(server().port());
    let store = wire.open("lost_intake").await;
    wire.lose().await;
    let mut keyed = task("a");
    keyed.key = Some("k".to_owned());
    let answers = store.enqueue(vec![keyed], u64::MAX).await.unwrap();
    assert!(wire.has_lost() && matches!(answers[..], [Enqueued::Known(_)]), "{answers:?}");
    wire.lose().await;
    let error = store.enqueue(vec![task("a")], u64::MAX).await.unwrap_err();
    assert!(wire.has_lost() && error.is_passing(), "{error}");
    assert_eq!(store.counts().await.unwrap().pending, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_told_is_told_once() {
    let wire = Wire::new(server().port());
    let store = wire.open("lost_news").await;
    let fence = running(&store, "a").await;
    wire.lose().await;
    let event = Some(json("1"));
    let told = store.progress(vec![Progress { fence, event, checkpoint: None }]).await;
    assert!(wire.has_lost() && told.unwrap_err().is_passing());
    let events = store.events(fence.task, 0, 10).await.unwrap().unwrap();
    assert_eq!((events.events.len(), events.last), (1, 1));
}
