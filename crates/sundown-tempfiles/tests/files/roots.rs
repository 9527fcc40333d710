//! Which roots are refused, and what is removed from one that is not.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::sync::Arc;

use sundown::{NoopCoordinator, PlanError, Waiter};
use sundown_tempfiles::{Settings, StartError, Tally, TempFiles};

use crate::support::{Scratch, coordinator};

async fn refused(settings: Settings) -> StartError {
    TempFiles::start(Arc::new(NoopCoordinator::new()), settings).await.unwrap_err()
}

#[tokio::test]
async fn a_root_that_others_could_plant_things_in_is_refused_with_the_reason() {
    let scratch = Scratch::new("unsafe");
    let root = scratch.path("root");
    fs::create_dir(&root).unwrap();
    for mode in [0o777, 0o1777, 0o770, 0o720] {
        fs::set_permissions(&root, Permissions::from_mode(mode)).unwrap();
        let error = refused(scratch.settings()).await;
        let is_why = |why: &str| why.contains("others may write to it");
        assert!(matches!(error, StartError::Root { why, .. } if is_why(why)), "{mode:o}: {error}");
    }
    fs::set_permissions(&root, Permissions::from_mode(0o755)).unwrap();
    let link = scratch.path("link");
    symlink(&root, &link).unwrap();
    for path in [link.clone(), link.join(""), link.join(".")] {
        let error = refused(Settings::default().root(&path)).await;
        let is_why = |why: &str| why.contains("symbolic link");
        assert!(matches!(error, StartError::Root { why, .. } if is_why(why)), "{path:?}: {error}");
    }
    let file = scratch.path("file");
    fs::write(&file, "").unwrap();
    let error = refused(Settings::default().root(&file)).await;
    assert!(matches!(error, StartError::Io { .. }), "{error}");
    assert!(fs::read_dir(&root).unwrap().next().is_none(), "nothing was made");
}

#[tokio::test]
async fn settings_and_names_that_cannot_work_are_refused_and_leave_nothing() {
    let scratch = Scratch::new("settings");
    let error = refused(scratch.settings().quota(0)).await;
    assert!(matches!(error, StartError::Zero { setting: "quota" }), "{error}");
    let error = refused(scratch.settings().interval(std::time::Duration::ZERO)).await;
    assert!(matches!(error, StartError::Zero { setting: "interval" }), "{error}");

    let coordinator = coordinator();
    let one = TempFiles::start(coordinator.clone(), scratch.settings()).await.unwrap();
    let error = TempFiles::start(coordinator.clone(), scratch.settings()).await.unwrap_err();
    assert!(matches!(error, StartError::Plan(PlanError::DuplicateName { .. })), "{error}");
    assert_eq!(scratch.owners(), [one.path()]);
    let two = TempFiles::start(coordinator.clone(), scratch.settings().named("uploads")).await;
    assert_ne!(two.unwrap().path(), one.path());
    coordinator.register_waiter(Waiter::new("x", |_| async {})).unwrap();
    coordinator.check().unwrap();
}

#[tokio::test]
async fn a_start_removes_what_the_dead_have_left_and_nothing_else() {
    let scratch = Scratch::new("recover");
    let living = scratch.start(scratch.settings()).await;
    let root = scratch.path("root");
    // The id of a process that lives says nothing: ours, and that of init.
    let dead = [format!("{}-0123456789abcdef", std::process::id()), "1-fedcba9876543210".into()];
    for name in &dead {
        fs::create_dir_all(root.join(name).join("sub")).unwrap();
        fs::write(root.join(name).join("sub/left"), "12345").unwrap();
        symlink(scratch.path("precious"), root.join(name).join("link")).unwrap();
    }
    fs::create_dir(scratch.path("precious")).unwrap();
    fs::write(scratch.path("precious/x"), "").unwrap();
    for other in ["photos", "1-notours"] {
        fs::create_dir(root.join(other)).unwrap();
        fs::write(root.join(other).join("x"), "").unwrap();
    }
    fs::write(root.join("1-0000000000000000"), "a file by such a name").unwrap();
    symlink(scratch.path("precious"), root.join("1-1111111111111111")).unwrap();

    let temp = scratch.start(scratch.settings()).await;
    assert_eq!(temp.recovered(), Tally { files: 4, bytes: 10 });
    for name in &dead {
        assert!(!root.join(name).exists(), "{name}");
    }
    assert!(living.path().exists());
    for kept in ["root/photos/x", "root/1-notours/x", "root/1-0000000000000000", "precious/x"] {
        assert!(scratch.path(kept).exists(), "{kept}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_that_start_and_sweep_at_once_never_take_one_another_for_dead() {
    let scratch = Scratch::new("race");
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let settings = scratch.settings();
        tasks.spawn(async move {
            for round in 0..40 {
                let noop = Arc::new(NoopCoordinator::new());
                let temp = TempFiles::start(noop, settings.clone()).await.unwrap();
                let file = temp.file("held").await.unwrap();
                temp.sweep().await;
                assert!(file.path().exists(), "round {round}");
                assert_eq!(temp.recovered(), Tally::default());
            }
        });
    }
    tasks.join_all().await;
    assert_eq!(scratch.owners(), [] as [std::path::PathBuf; 0]);
}
