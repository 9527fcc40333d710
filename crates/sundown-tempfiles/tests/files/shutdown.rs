//! The end of the shutdown, on the paused clock.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use sundown::{Cause, Outcome, Phase, Priority, Verdict, Waiter};
use sundown_tempfiles::{Error, TempFiles};
use tokio::io::AsyncWriteExt as _;
use tokio::time::sleep;

use crate::support::{SECOND, Scratch, coordinator, file, stop};

#[tokio::test(start_paused = true)]
async fn what_is_left_is_removed_at_the_very_end_and_the_stop_is_clean() {
    let scratch = Scratch::new("clean");
    let coordinator = coordinator();
    let temp = TempFiles::start(coordinator.clone(), scratch.settings()).await.unwrap();
    let left = file(&temp, "left", b"x").await.leave().await.unwrap();
    let cache = temp.dir("cache").await.unwrap().for_life();
    fs::write(cache.path().join("entry"), "x").unwrap();
    let index = file(&temp, "index", b"x").await.for_life();
    let seen = left.clone();
    let last = move || assert!(seen.exists(), "hooks before it find everything in its place");
    coordinator.register_hook("last user", Priority::Low, last).unwrap();

    let report = stop(&coordinator).await;
    assert_eq!(report.verdict, Verdict::Clean, "{report}");
    let hook = report.waiter("temp files").unwrap();
    assert_eq!((hook.outcome, hook.hook), (Some(Outcome::Done), Some(Priority::Cleanup)));
    assert!(!left.exists() && !cache.path().exists() && !index.path().exists());
    assert_eq!(scratch.owners(), [] as [PathBuf; 0]);
}

#[tokio::test(start_paused = true)]
async fn files_in_use_at_the_end_are_reported_by_name_and_removed_all_the_same() {
    let scratch = Scratch::new("in-use");
    let coordinator = coordinator();
    let temp = TempFiles::start(coordinator.clone(), scratch.settings()).await.unwrap();
    let mut upload = file(&temp, "upload.csv", b"x").await;
    sleep(3 * SECOND).await;
    let batch = temp.dir("batch").await.unwrap();
    let report = stop(&coordinator).await;
    let hook = report.waiter("temp files").unwrap();
    assert_eq!(hook.outcome, Some(Outcome::Failed), "{report}");
    let detail = hook.detail.as_ref().unwrap();
    assert!(
        detail.contains("2 temporary files were still in use: upload.csv (3.5 s), batch (0.5 s)"),
        "{detail}"
    );
    assert_eq!(scratch.owners(), [] as [PathBuf; 0]);
    upload.write_all(b"an open handle still works").await.unwrap();
    upload.flush().await.unwrap();
    drop((upload, batch));
}

#[tokio::test(start_paused = true)]
async fn work_that_is_aborted_at_the_end_of_drain_has_dropped_its_files_by_then() {
    let scratch = Scratch::new("aborted");
    let coordinator = coordinator();
    let temp = TempFiles::start(coordinator.clone(), scratch.settings()).await.unwrap();
    let held = Arc::new(Mutex::new(None));
    let (slot, inner) = (held.clone(), temp.clone());
    drop(coordinator.spawn("export", async move {
        let file = file(&inner, "export.csv", b"x").await;
        *slot.lock().unwrap() = Some(file.path().to_owned());
        std::future::pending::<()>().await;
        drop(file);
    }));
    sleep(SECOND).await;
    assert!(held.lock().unwrap().as_ref().unwrap().exists());
    let report = stop(&coordinator).await;
    assert_eq!(report.waiter("temp files").unwrap().outcome, Some(Outcome::Done), "{report}");
}

#[tokio::test(start_paused = true)]
async fn files_are_to_be_had_until_the_hook_has_run_and_not_after() {
    let scratch = Scratch::new("closed");
    let coordinator = coordinator();
    let temp = TempFiles::start(coordinator.clone(), scratch.settings()).await.unwrap();
    let inner = temp.clone();
    let out = scratch.path("saved");
    let save = Waiter::new("save", move |_| async move {
        let mut file = inner.file("save").await?;
        file.write_all(b"state").await?;
        file.persist(out).await?;
        Ok::<_, sundown::BoxError>(())
    });
    coordinator.register_waiter(save.in_phase(Phase::FLUSH)).unwrap();
    let report = stop(&coordinator).await;
    assert_eq!(report.verdict, Verdict::Clean, "{report}");
    assert_eq!(fs::read_to_string(scratch.path("saved")).unwrap(), "state");
    let refused = temp.file("late").await.unwrap_err();
    assert!(matches!(&refused, Error::Closed { name } if name == "late"), "{refused}");
    assert!(matches!(temp.dir("late").await, Err(Error::Closed { .. })));
    temp.sweep().await;
}

#[tokio::test(start_paused = true)]
async fn a_dropped_service_takes_no_part_in_the_shutdown() {
    let scratch = Scratch::new("dropped");
    let coordinator = coordinator();
    coordinator.register_waiter(Waiter::new("x", |_| async {})).unwrap();
    drop(TempFiles::start(coordinator.clone(), scratch.settings()).await.unwrap());
    coordinator.initiate(Cause::requested("test"));
    assert!(coordinator.run().await.waiter("temp files").is_none());
}
