//! Files that are not ours, damaged, too new, or locked.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use sundown_tasks::{SqliteSettings, SqliteStore, State, StoreError};

use super::Scratch;
use crate::conformance::Bench;
use crate::conformance::support::*;

/// A file with some tasks in it, closed.
async fn filled(scratch: &Scratch) {
    let store = scratch.open().await;
    store.enqueue(vec![task("a"); 500], u64::MAX).await.unwrap();
    store.close().await.unwrap();
}

/// Opening it is refused in these words, and leaves it as it is.
fn is_refused(path: &Path, words: &[&str]) {
    let before = fs::read(path).unwrap();
    let error = SqliteStore::open(SqliteSettings::new(path)).unwrap_err();
    assert!(matches!(error, StoreError::Broken { .. }), "{error:?}");
    assert!(!error.is_passing());
    let text = error.to_string();
    for word in words.iter().chain(&[path.to_str().unwrap()]) {
        assert!(text.contains(word), "`{word}` is not in: {text}");
    }
    assert!(fs::read(path).unwrap() == before, "the file was changed");
    let owners = path.with_file_name("tasks.db-owners");
    assert_eq!(fs::read_dir(owners).map_or(0, Iterator::count), 0, "somebody moved in");
}

#[test]
fn what_is_no_database_is_refused() {
    let scratch = Scratch::create("no-database");
    for content in ["hello", "a longer text that is no database either, not at all\n"] {
        fs::write(scratch.database(), content).unwrap();
        is_refused(&scratch.database(), &["no SQLite database", "left as it is"]);
    }
}

#[test]
fn the_database_of_another_program_is_refused() {
    let scratch = Scratch::create("another-program");
    let connection = Connection::open(scratch.database()).unwrap();
    connection.execute_batch("CREATE TABLE task (name TEXT)").unwrap();
    drop(connection);
    is_refused(&scratch.database(), &["another program", "another path"]);
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let scratch = Scratch::create("newer");
    filled(&scratch).await;
    let connection = Connection::open(scratch.database()).unwrap();
    connection.execute_batch("PRAGMA user_version = 99").unwrap();
    drop(connection);
    is_refused(&scratch.database(), &["version 99", "newer program"]);
}

#[tokio::test]
async fn a_damaged_file_is_refused() {
    let scratch = Scratch::create("damaged");
    filled(&scratch).await;
    let sound = fs::read(scratch.database()).unwrap();
    let mut damaged = sound.clone();
    // A page of a tree becomes noise.
    let middle = damaged.len() / 4096 / 2 * 4096;
    damaged[middle..middle + 4096].fill(0xA5);
    fs::write(scratch.database(), &damaged).unwrap();
    is_refused(&scratch.database(), &["damaged", "left as it is"]);
    fs::write(scratch.database(), &sound[..sound.len() / 2]).unwrap();
    is_refused(&scratch.database(), &["damaged", "left as it is"]);
    fs::write(scratch.database(), sound).unwrap();
    assert_eq!(claim(&scratch.open().await, "a", 1000).await.len(), 500);
}

/// A file of twenty megabytes, in the middle of which there is noise.
#[tokio::test]
async fn a_large_file_is_read_through_as_well() {
    let scratch = Scratch::create("large");
    let store = scratch.open().await;
    let input = json(&format!("\"{}\"", "x".repeat(20_000)));
    let heavy = sundown_tasks::NewTask { input, ..task("a") };
    store.enqueue(vec![heavy; 1000], u64::MAX).await.unwrap();
    store.close().await.unwrap();
    let mut damaged = fs::read(scratch.database()).unwrap();
    assert!(damaged.len() > 18 << 20, "{}", damaged.len());
    damaged[2000 * 4096..3000 * 4096].fill(0xA5);
    fs::write(scratch.database(), &damaged).unwrap();
    is_refused(&scratch.database(), &["damaged", "left as it is"]);
}

#[tokio::test]
async fn after_the_first_damage_nothing_more_is_written() {
    let scratch = Scratch::create("damaged-later");
    filled(&scratch).await;
    let store = scratch.open().await;
    // Another writer, so that what the store remembers of the file is out of date.
    let raw = Connection::open(scratch.database()).unwrap();
    raw.busy_timeout(PATIENCE).unwrap();
    raw.execute_batch("UPDATE task SET priority = 1; PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    let mut damaged = fs::read(scratch.database()).unwrap();
    damaged[4096..].fill(0xA5);
    fs::write(scratch.database(), &damaged).unwrap();
    for _ in 0..3 {
        let error = store.enqueue(vec![task("a")], u64::MAX).await.unwrap_err();
        assert!(!error.is_passing(), "{error:?}");
        let text = error.to_string();
        assert!(text.contains("damaged") && text.contains("nothing more is written"), "{text}");
    }
    store.close().await.unwrap();
    assert!(fs::read(scratch.database()).unwrap() == damaged, "the file was changed");
}

/// Whoever closes any descriptor of a file gives up the locks of his whole process on it.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn opening_it_again_in_one_process_gives_no_lock_up() {
    use std::os::unix::fs::MetadataExt as _;

    let scratch = Scratch::create("locks");
    let _store = scratch.open().await;
    let node = format!(":{} ", fs::metadata(scratch.database()).unwrap().ino());
    let process = format!(" {} ", std::process::id());
    let locks = || {
        let all = fs::read_to_string("/proc/locks").unwrap();
        all.lines().filter(|lock| lock.contains(&node) && lock.contains(&process)).count()
    };
    let before = locks();
    assert!(before > 0);
    let second = scratch.open().await;
    assert_eq!(locks(), before);
    second.close().await.unwrap();
    assert_eq!(locks(), before);
}

#[test]
fn a_path_that_cannot_be_is_told() {
    let scratch = Scratch::create("no-path");
    for path in [scratch.path("not/there/tasks.db"), scratch.path("")] {
        let error = SqliteStore::open(SqliteSettings::new(&path)).unwrap_err();
        assert!(!error.is_passing(), "no waiting mends it: {error:?}");
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    }
}

#[tokio::test]
async fn an_empty_file_is_a_new_one() {
    let scratch = Scratch::create("empty");
    fs::write(scratch.database(), "").unwrap();
    let store = scratch.open().await;
    enqueue(&store, task("a")).await;
}

#[test]
fn many_may_open_a_new_file_at_once() {
    for round in 0..10 {
        let scratch = Scratch::create(&format!("at-once-{round}"));
        let together = std::sync::Barrier::new(4);
        let open = || {
            together.wait();
            // Not quite at once: some come while the first is at it.
            std::thread::park_timeout(Duration::from_micros(fastrand::u64(0..6000)));
            SqliteStore::open(SqliteSettings::new(scratch.database()))
        };
        let opened: Vec<_> = std::thread::scope(|scope| {
            let openers: Vec<_> = (0..4).map(|_| scope.spawn(open)).collect();
            openers.into_iter().map(|opener| opener.join().unwrap()).collect()
        });
        for opened in opened {
            opened.unwrap_or_else(|error| panic!("round {round}: {error}"));
        }
    }
}

#[test]
fn a_file_locked_for_long_cannot_be_opened() {
    let scratch = Scratch::create("locked-open");
    let patience = Duration::from_millis(100);
    let settings = || SqliteSettings::new(scratch.database()).busy_patience(patience);
    drop(SqliteStore::open(settings()).unwrap());
    let locker = Connection::open(scratch.database()).unwrap();
    locker.busy_timeout(PATIENCE).unwrap();
    locker.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = SqliteStore::open(settings()).unwrap_err();
    assert!(error.is_passing(), "{error:?}");
    assert!(error.to_string().contains("another process"), "{error}");
    drop(locker);
    SqliteStore::open(settings()).unwrap();
}

#[tokio::test]
async fn while_it_is_locked_writes_fail_and_reads_go_on() {
    let scratch = Scratch::create("locked");
    let patience = Duration::from_millis(150);
    let settings = SqliteSettings::new(scratch.database()).busy_patience(patience);
    let store: Handle = std::sync::Arc::new(SqliteStore::open(settings).unwrap());
    let fence = running(&store, "a").await;
    let locker = Connection::open(scratch.database()).unwrap();
    locker.execute_batch("BEGIN IMMEDIATE").unwrap();

    let started = Instant::now();
    let mut keyed = task("b");
    keyed.key = Some("k".to_owned());
    let enqueued = store.enqueue(vec![keyed.clone()], u64::MAX);
    let ended = store.finish(vec![(fence, succeeded())]);
    let written = async { (tokio::join!(enqueued, ended), Instant::now()) };
    let read = async { (get(&store, fence.task).await, Instant::now()) };
    let (((enqueued, ended), written), (tasks, read)) = tokio::join!(written, read);
    assert!(read < written, "a read waited for the lock");
    assert!(started.elapsed() >= patience);
    for error in [enqueued.unwrap_err(), ended.unwrap_err()] {
        assert!(error.is_passing(), "{error:?}");
        assert!(error.to_string().contains("another process"), "{error}");
    }
    assert_eq!(tasks.state, State::Running);

    locker.execute_batch("ROLLBACK").unwrap();
    let finished = finish(&store, fence, succeeded()).await;
    assert_eq!(finished, sundown_tasks::Finish::Now(State::Succeeded));
    assert_eq!(claim(&store, "b", 9).await.len(), 0, "nothing was half done");
    enqueue(&store, keyed).await;
}

/// Both wait for the same lock, and so share a transaction.
#[tokio::test]
async fn what_cannot_be_done_takes_nothing_else_with_it() {
    let scratch = Scratch::create("apart");
    let store = scratch.open().await;
    let raw = Connection::open(scratch.database()).unwrap();
    let refuse = "CREATE TRIGGER refuse BEFORE INSERT ON task WHEN NEW.kind = 'spoilt' \
         BEGIN SELECT RAISE(FAIL, 'not this one'); END";
    raw.execute_batch(refuse).unwrap();
    raw.execute_batch("BEGIN IMMEDIATE").unwrap();
    let unlock = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        raw.execute_batch("ROLLBACK").unwrap();
    };
    let first = store.enqueue(vec![task("a")], u64::MAX);
    let second = store.enqueue(vec![task("a")], u64::MAX);
    let broken = store.enqueue(vec![task("spoilt")], u64::MAX);
    let third = store.enqueue(vec![task("a")], u64::MAX);
    let ((), first, second, broken, third) = tokio::join!(unlock, first, second, broken, third);
    assert!(matches!(broken, Err(StoreError::Broken { .. })), "{broken:?}");
    for taken in [first, second, third] {
        taken.unwrap();
    }
    assert_eq!(state(&store, claim_one(&store, "a").await.fence.task).await, State::Running);
    let counts = sundown_tasks::Counts { pending: 2, running: 1, dead: 0 };
    counts_become(&store, counts).await;
}

#[tokio::test]
async fn whatever_became_of_a_row_it_can_be_looked_at_and_is_in_nobodys_way() {
    let scratch = Scratch::create("spoilt");
    let store = scratch.open().await;
    let spoilt = enqueue(&store, task("a")).await;
    let sound = enqueue(&store, task("a")).await;
    let raw = Connection::open(scratch.database()).unwrap();
    let noise = "UPDATE task SET input = CAST(x'A5FF22' AS TEXT) WHERE id = ?1";
    raw.execute(noise, [spoilt.0]).unwrap();
    assert_eq!(get(&store, spoilt).await.input.get(), "\"\u{fffd}\u{fffd}\\\"\"");
    let claimed = claim(&store, "a", 10).await;
    assert_eq!((claimed.len(), claimed[0].fence.task), (1, sound));
    assert_eq!(state(&store, spoilt).await, State::Failed);
}
