//! Names and links that want out.

use std::fs;
use std::os::unix::fs::symlink;

use sundown_tempfiles::{Error, Tally};
use tokio::io::AsyncWriteExt as _;

use crate::support::{Scratch, children, file};

const HOSTILE: &[&str] =
    &["", ".", "..", "../x", "/etc/passwd", "a/b", "a\\b", "a\0b", "a\nb", "../../../../tmp/x"];

#[tokio::test]
async fn names_that_lead_elsewhere_are_refused_everywhere_and_make_nothing() {
    let scratch = Scratch::new("hostile");
    let temp = scratch.start(scratch.settings()).await;
    let dir = temp.dir("batch").await.unwrap();
    for name in HOSTILE {
        let refused = [
            temp.file(name).await.map(drop),
            temp.dir(name).await.map(drop),
            dir.file(name).await.map(drop),
        ];
        for refused in refused {
            assert!(matches!(refused, Err(Error::Name(_))), "{name:?}: {refused:?}");
        }
    }
    assert_eq!(children(temp.path()), [dir.path()]);
    assert_eq!(children(dir.path()), [] as [std::path::PathBuf; 0]);
    assert_eq!(temp.in_use().len(), 1);
}

#[tokio::test]
async fn a_planted_link_is_neither_written_through_nor_removed_for_ours() {
    let scratch = Scratch::new("planted");
    let victim = scratch.path("victim");
    fs::write(&victim, "precious").unwrap();
    let temp = scratch.start(scratch.settings()).await;
    let dir = temp.dir("batch").await.unwrap();
    for (name, target) in [("live", victim.as_path()), ("dangling", &scratch.path("nowhere"))] {
        symlink(target, dir.path().join(name)).unwrap();
        let refused = dir.file(name).await.unwrap_err();
        assert!(matches!(refused, Error::Io { .. }), "{refused}");
    }
    assert_eq!(children(dir.path()).len(), 2);
    drop(dir);
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    assert!(!scratch.path("nowhere").exists());
}

#[tokio::test]
async fn a_directory_exchanged_for_a_link_gets_nothing_and_loses_nothing() {
    let scratch = Scratch::new("exchanged");
    let outside = scratch.path("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("precious"), "x").unwrap();
    let temp = scratch.start(scratch.settings()).await;
    let dir = temp.dir("batch").await.unwrap();
    fs::rename(dir.path(), scratch.path("moved away")).unwrap();
    symlink(&outside, dir.path()).unwrap();

    let mut inside = dir.file("page").await.unwrap();
    inside.write_all(b"x").await.unwrap();
    inside.flush().await.unwrap();
    assert_eq!(children(&outside), [outside.join("precious")], "files go where the directory is");
    drop((inside, dir));
    assert_eq!(children(&outside), [outside.join("precious")], "and the link alone is removed");
    assert_eq!(children(temp.path()), [] as [std::path::PathBuf; 0]);
}

#[tokio::test]
async fn a_file_exchanged_for_another_is_not_persisted() {
    let scratch = Scratch::new("replaced");
    let temp = scratch.start(scratch.settings()).await;
    let draft = file(&temp, "draft", b"ours").await;
    let path = draft.path().to_owned();
    fs::remove_file(&path).unwrap();
    symlink("/etc/passwd", &path).unwrap();
    let refused = draft.persist(scratch.path("out")).await.unwrap_err();
    assert!(matches!(refused.error, Error::Replaced { .. }), "{refused}");
    assert!(!scratch.path("out").exists());
}

#[tokio::test]
async fn the_sweeper_takes_a_link_for_a_link() {
    let scratch = Scratch::new("swept-link");
    let outside = scratch.path("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("precious"), "x".repeat(1000)).unwrap();
    let temp = scratch.start(scratch.settings().age(std::time::Duration::ZERO)).await;
    symlink(&outside, temp.path().join("to-a-directory")).unwrap();
    symlink(outside.join("precious"), temp.path().join("to-a-file")).unwrap();
    let swept = temp.sweep().await;
    assert_eq!(swept.abandoned, Tally { files: 2, bytes: 0 });
    assert_eq!(children(temp.path()), [] as [std::path::PathBuf; 0]);
    assert_eq!(children(&outside), [outside.join("precious")]);
}
