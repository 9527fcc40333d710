//! Moving out: in one step, or not at all.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use sundown_tempfiles::Error;
use tokio::io::AsyncWriteExt as _;

use crate::support::{Scratch, children, file};

#[tokio::test]
async fn a_persisted_file_is_the_same_file_and_replaces_what_was_there() {
    let scratch = Scratch::new("persist");
    let temp = scratch.start(scratch.settings()).await;
    fs::write(scratch.path("report"), "old").unwrap();
    let mut draft = temp.file("draft").await.unwrap();
    draft.write_all(b"new").await.unwrap(); // not flushed: persist does that
    let inode = fs::metadata(draft.path()).unwrap().ino();
    draft.persist(scratch.path("report")).await.unwrap();
    assert_eq!(fs::read_to_string(scratch.path("report")).unwrap(), "new");
    assert_eq!(fs::metadata(scratch.path("report")).unwrap().ino(), inode, "renamed, not copied");
    assert_eq!(children(temp.path()), [] as [PathBuf; 0]);
    assert_eq!(temp.used(), 0);
}

#[tokio::test]
async fn a_failed_move_gives_the_file_back() {
    let scratch = Scratch::new("back");
    let temp = scratch.start(scratch.settings()).await;
    let draft = file(&temp, "draft", b"work").await;
    let failed = draft.persist(scratch.path("missing/report")).await.unwrap_err();
    assert!(failed.to_string().starts_with("cannot persist `draft`: "), "{failed}");
    let draft = failed.file;
    assert_eq!(fs::read_to_string(draft.path()).unwrap(), "work");
    draft.persist(scratch.path("report")).await.unwrap();
    assert_eq!(fs::read_to_string(scratch.path("report")).unwrap(), "work");
}

#[tokio::test]
async fn persist_new_never_replaces() {
    let scratch = Scratch::new("new");
    let temp = scratch.start(scratch.settings()).await;
    fs::write(scratch.path("report"), "old").unwrap();
    let failed = file(&temp, "draft", b"new").await.persist_new(scratch.path("report")).await;
    let failed = failed.unwrap_err();
    assert!(
        matches!(&failed.error, Error::Io { source, .. }
        if source.kind() == io::ErrorKind::AlreadyExists),
        "{failed}"
    );
    assert_eq!(fs::read_to_string(scratch.path("report")).unwrap(), "old");
    failed.file.persist_new(scratch.path("other")).await.unwrap();
    assert_eq!(fs::read_to_string(scratch.path("other")).unwrap(), "new");
    assert_eq!(children(temp.path()), [] as [PathBuf; 0]);
}

#[tokio::test]
async fn a_directory_moves_out_when_no_file_in_it_is_open() {
    let scratch = Scratch::new("dir");
    let temp = scratch.start(scratch.settings()).await;
    let dir = temp.dir("site").await.unwrap();
    let mut page = dir.file("index.html").await.unwrap();
    page.write_all(b"hello").await.unwrap();
    page.flush().await.unwrap();
    let failed = dir.persist(scratch.path("site")).await.unwrap_err();
    assert!(matches!(failed.error, Error::InUse { .. }), "{failed}");
    page.leave().await.unwrap();
    failed.file.persist(scratch.path("site")).await.unwrap();
    assert_eq!(fs::read_to_string(scratch.path("site/index.html")).unwrap(), "hello");
    assert_eq!((temp.used(), temp.in_use().len()), (0, 0));
}

/// A directory on another file system than the usual one for temporary files.
fn elsewhere() -> PathBuf {
    let device = |path: &Path| fs::metadata(path).map(|meta| meta.dev()).ok();
    let here = device(&std::env::temp_dir());
    let places = ["/dev/shm", "/var/tmp", "/run/shm"].map(PathBuf::from);
    let other = places.into_iter().find(|place| device(place).is_some_and(|d| Some(d) != here));
    other.expect("Linux has /dev/shm, which is a file system of its own")
}

#[tokio::test]
async fn to_another_file_system_a_file_is_copied_whole_and_a_directory_refused() {
    let scratch = Scratch::new("cross");
    let other = Scratch::beneath(&elsewhere(), "cross");
    let temp = scratch.start(scratch.settings()).await;
    fs::write(other.path("report"), "old").unwrap();
    let bytes: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    file(&temp, "draft", &bytes).await.persist(other.path("report")).await.unwrap();
    assert_eq!(fs::read(other.path("report")).unwrap(), bytes);
    let failed = file(&temp, "draft", b"x").await.persist_new(other.path("report")).await;
    assert!(failed.is_err());
    let second = failed.unwrap_err().file;
    second.persist_new(other.path("second")).await.unwrap();
    assert_eq!(fs::read(other.path("second")).unwrap(), b"x");
    assert_eq!(children(&other.path("")).len(), 2, "no part is left beside them");

    let dir = temp.dir("site").await.unwrap();
    let failed = dir.persist(other.path("site")).await.unwrap_err();
    assert!(matches!(failed.error, Error::CrossDevice { .. }), "{failed}");
    drop(failed);
    assert_eq!(children(temp.path()), [] as [PathBuf; 0]);
    assert_eq!(temp.used(), 0);
}
