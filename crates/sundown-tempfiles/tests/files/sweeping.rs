//! The sweeper on the paused clock.

use std::fs;
use std::path::PathBuf;

use sundown::Cause;
use sundown_tempfiles::{Tally, TempFiles};
use tokio::time::sleep;

use crate::support::{HOUR, SECOND, Scratch, children, coordinator, file};

#[tokio::test(start_paused = true)]
async fn abandoned_files_go_after_their_age_and_those_with_a_handle_never() {
    let scratch = Scratch::new("age");
    let temp = scratch.start(scratch.settings()).await;
    let held = file(&temp, "held", b"held").await;
    let dir = temp.dir("held-dir").await.unwrap();
    fs::write(dir.path().join("inside"), "x").unwrap();
    let left = file(&temp, "left", b"left").await.leave().await.unwrap();
    let stray = temp.path().join("stray");
    fs::create_dir(&stray).unwrap();
    fs::write(stray.join("inside"), "y").unwrap();

    sleep(HOUR / 2).await;
    assert!(left.exists() && stray.exists());
    sleep(HOUR / 2 + 120 * SECOND).await;
    assert!(!left.exists() && !stray.exists());
    sleep(100 * HOUR).await;
    assert!(held.path().exists() && dir.path().join("inside").exists());
    assert_eq!(temp.used(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_still_being_written_is_not_abandoned() {
    let scratch = Scratch::new("busy");
    let temp = scratch.start(scratch.settings()).await;
    let left = file(&temp, "left", b"1").await.leave().await.unwrap();
    for length in 2..6 {
        sleep(HOUR * 3 / 4).await;
        fs::write(&left, "1".repeat(length)).unwrap();
    }
    assert!(left.exists());
    sleep(HOUR * 5 / 4).await;
    assert!(!left.exists());
}

#[tokio::test(start_paused = true)]
async fn the_sweeper_stops_when_the_shutdown_begins() {
    let scratch = Scratch::new("stops");
    let coordinator = coordinator();
    let settings = scratch.settings().age(10 * SECOND).interval(SECOND);
    let temp = TempFiles::start(coordinator.clone(), settings).await.unwrap();
    let left = file(&temp, "left", b"x").await.leave().await.unwrap();
    sleep(5 * SECOND).await;
    assert_eq!(coordinator.work().len(), 1, "the sweeper");
    coordinator.initiate(Cause::requested("test"));
    sleep(60 * SECOND).await;
    assert!(left.exists(), "nobody sweeps any more");
    assert!(coordinator.work().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_sweeper_ends_with_its_service() {
    let scratch = Scratch::new("ends");
    let coordinator = coordinator();
    let temp = TempFiles::start(coordinator.clone(), scratch.settings()).await.unwrap();
    drop(temp);
    sleep(SECOND).await;
    assert!(coordinator.work().is_empty());
    assert_eq!(scratch.owners(), [] as [PathBuf; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_living_process_sweeps_up_after_a_dead_neighbour() {
    let scratch = Scratch::new("neighbour");
    let temp = scratch.start(scratch.settings()).await;
    let neighbour = scratch.start(scratch.settings()).await;
    let held = file(&neighbour, "held", b"x").await;
    let dead = scratch.path("root/1-00000000deadbeef");
    fs::create_dir(&dead).unwrap();
    fs::write(dead.join("left"), "123").unwrap();
    let swept = temp.sweep().await;
    assert_eq!(swept.of_the_dead, Tally { files: 1, bytes: 3 });
    assert!(!dead.exists());
    assert!(held.path().exists(), "the other one lives, in this very process");
    assert_eq!(children(&scratch.path("root")).len(), 2);
}
