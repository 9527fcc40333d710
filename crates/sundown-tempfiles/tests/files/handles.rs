//! Handles: what they give, and that their files go with them.

use std::fs;
use std::io::SeekFrom;
use std::os::unix::fs::PermissionsExt as _;

use sundown_tempfiles::Error;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _};

use crate::support::{Scratch, children, file};

#[tokio::test]
async fn a_file_is_written_sought_and_read_and_is_gone_with_its_handle() {
    let scratch = Scratch::new("rw");
    let temp = scratch.start(scratch.settings()).await;
    let mut file = file(&temp, "notes.txt", b"one two").await;
    file.seek(SeekFrom::Start(4)).await.unwrap();
    file.write_all(b"three").await.unwrap();
    file.rewind().await.unwrap();
    let mut text = String::new();
    file.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "one three");
    assert_eq!((file.len(), temp.used()), (9, 9));
    assert_eq!(fs::read_to_string(file.path()).unwrap(), "one three");
    assert_eq!(fs::metadata(file.path()).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(file.path().to_str().unwrap().ends_with("-notes.txt"), "{:?}", file.path());

    let path = file.path().to_owned();
    drop(file);
    assert!(!path.exists());
    assert_eq!(temp.used(), 0);
}

#[tokio::test]
async fn names_need_not_be_unique_and_those_in_use_are_listed_by_name() {
    let scratch = Scratch::new("names");
    let temp = scratch.start(scratch.settings()).await;
    let one = file(&temp, "same", b"1").await;
    let two = file(&temp, "same", b"22").await;
    let dir = temp.dir("batch").await.unwrap();
    assert_ne!(one.path(), two.path());
    let names: Vec<_> = temp.in_use().into_iter().map(|file| file.name).collect();
    assert_eq!(names.len(), 3);
    assert!(names.contains(&"batch".to_owned()));
    drop((one, two, dir));
    assert_eq!(temp.in_use(), []);
    assert_eq!(children(temp.path()), [] as [std::path::PathBuf; 0]);
}

#[tokio::test]
async fn a_file_is_gone_even_when_its_task_is_aborted_or_panics() {
    let scratch = Scratch::new("abort");
    let temp = scratch.start(scratch.settings()).await;
    let mut tasks = tokio::task::JoinSet::new();
    let (ready, mut path) = tokio::sync::mpsc::channel(1);
    for name in ["aborted", "panics"] {
        let (temp, ready) = (temp.clone(), ready.clone());
        tasks.spawn(async move {
            let file = file(&temp, name, b"x").await;
            assert_ne!(name, "panics", "as planned");
            ready.send(file.path().to_owned()).await.unwrap();
            std::future::pending::<()>().await;
        });
    }
    assert!(tasks.join_next().await.unwrap().unwrap_err().is_panic());
    assert!(path.recv().await.unwrap().exists());
    tasks.shutdown().await;
    assert_eq!(children(temp.path()), [] as [std::path::PathBuf; 0]);
}

#[tokio::test]
async fn removing_says_whether_it_went_well() {
    let scratch = Scratch::new("remove");
    let temp = scratch.start(scratch.settings()).await;
    let one = file(&temp, "a", b"x").await;
    let path = one.path().to_owned();
    one.remove().await.unwrap();
    assert!(!path.exists());
    let two = file(&temp, "b", b"x").await;
    fs::remove_file(two.path()).unwrap();
    two.remove().await.unwrap();
}

#[tokio::test]
async fn a_directory_goes_with_the_last_handle_in_it() {
    let scratch = Scratch::new("dirs");
    let temp = scratch.start(scratch.settings()).await;
    let dir = temp.dir("unpacked").await.unwrap();
    let path = dir.path().to_owned();
    fs::create_dir(path.join("sub")).unwrap();
    fs::write(path.join("sub/foreign"), "x").unwrap();
    let mut inside = dir.file("page.html").await.unwrap();
    inside.write_all(b"12345").await.unwrap();
    inside.flush().await.unwrap();
    assert_eq!(inside.path(), path.join("page.html"));
    assert_eq!(inside.name(), "unpacked/page.html");
    assert_eq!(temp.used(), 5);

    let taken = dir.file("page.html").await.unwrap_err();
    assert!(
        matches!(&taken, Error::Io { source, .. }
        if source.kind() == std::io::ErrorKind::AlreadyExists),
        "{taken}"
    );
    assert!(inside.path().exists(), "the refusal has not touched it");

    let refused = dir.remove().await.unwrap_err();
    assert!(matches!(refused, Error::InUse { .. }), "{refused}");
    assert!(path.exists());
    drop(inside);
    assert!(!path.exists(), "with everything in it");
    assert_eq!(temp.used(), 0);
}

#[tokio::test]
async fn a_file_in_a_directory_goes_before_it() {
    let scratch = Scratch::new("nested");
    let temp = scratch.start(scratch.settings()).await;
    let dir = temp.dir("batch").await.unwrap();
    let mut inside = dir.file("page").await.unwrap();
    inside.write_all(b"123").await.unwrap();
    inside.remove().await.unwrap();
    assert_eq!(children(dir.path()), [] as [std::path::PathBuf; 0]);
    assert_eq!(temp.used(), 0);
    dir.remove().await.unwrap();
}

#[tokio::test]
async fn the_directory_of_the_process_goes_with_the_service_and_its_last_handle() {
    let scratch = Scratch::new("last");
    let temp = scratch.start(scratch.settings()).await;
    let file = file(&temp, "a", b"x").await;
    drop(temp);
    assert!(file.path().exists(), "a handle keeps it");
    drop(file);
    assert_eq!(scratch.owners(), [] as [std::path::PathBuf; 0]);
}
