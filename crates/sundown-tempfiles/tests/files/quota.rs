//! The quota: what counts, what is refused, and how the refusal reads.

use std::fs;
use std::io;

use sundown_tempfiles::{QuotaExceeded, TempFiles};
use tokio::io::{AsyncSeekExt as _, AsyncWriteExt as _};

use crate::support::{Scratch, file};

async fn start(scratch: &Scratch) -> TempFiles {
    scratch.start(scratch.settings().quota(1000)).await
}

#[tokio::test]
async fn a_write_without_room_is_refused_with_the_figures_and_the_file_stays() {
    let scratch = Scratch::new("refused");
    let temp = start(&scratch).await;
    let mut upload = file(&temp, "upload.bin", &[7; 900]).await;
    let error = upload.write_all(&[7; 200]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::QuotaExceeded);
    let expected =
        QuotaExceeded { name: "upload.bin".to_owned(), wanted: 200, used: 900, limit: 1000 };
    assert_eq!(QuotaExceeded::of(&error), Some(&expected));
    assert!(error.to_string().contains("900 of 1000 bytes"), "{error}");
    assert_eq!(upload.len(), 900);
    assert_eq!(temp.used(), 900);

    upload.write_all(&[7; 100]).await.unwrap();
    upload.flush().await.unwrap();
    assert_eq!(fs::metadata(upload.path()).unwrap().len(), 1000);
}

#[tokio::test]
async fn writing_over_what_is_there_costs_nothing_and_cutting_off_gives_back() {
    let scratch = Scratch::new("over");
    let temp = start(&scratch).await;
    let mut log = file(&temp, "log", &[1; 1000]).await;
    log.rewind().await.unwrap();
    log.write_all(&[2; 1000]).await.unwrap();
    assert_eq!(temp.used(), 1000);
    log.set_len(10).await.unwrap();
    assert_eq!(temp.used(), 10);
    let error = log.set_len(1001).await.unwrap_err();
    assert!(QuotaExceeded::of(&error).is_some(), "{error}");
    log.set_len(500).await.unwrap();
    assert_eq!(temp.used(), 500);
}

#[tokio::test]
async fn all_files_share_it_and_dropped_or_persisted_ones_give_back() {
    let scratch = Scratch::new("shared");
    let temp = start(&scratch).await;
    let one = file(&temp, "one", &[0; 400]).await;
    let dir = temp.dir("dir").await.unwrap();
    let mut inside = dir.file("two").await.unwrap();
    inside.write_all(&[0; 600]).await.unwrap();
    let mut three = temp.file("three").await.unwrap();
    assert!(three.write_all(b"x").await.is_err());
    drop(one);
    three.write_all(&[0; 400]).await.unwrap();
    inside.persist(scratch.path("kept")).await.unwrap();
    assert_eq!(temp.used(), 400);
}

#[tokio::test]
async fn what_others_write_counts_once_the_sweeper_has_seen_it() {
    let scratch = Scratch::new("measured");
    let temp = start(&scratch).await;
    let dir = temp.dir("unpacked").await.unwrap();
    fs::create_dir(dir.path().join("sub")).unwrap();
    fs::write(dir.path().join("sub/big"), [0; 990]).unwrap();
    let mut small = temp.file("small").await.unwrap();
    small.write_all(&[0; 5]).await.unwrap();
    temp.sweep().await;
    assert_eq!(temp.used(), 995);
    assert!(small.write_all(&[0; 6]).await.is_err());
    drop(dir);
    small.write_all(&[0; 6]).await.unwrap();
}

#[tokio::test]
async fn only_what_a_write_has_taken_counts() {
    let scratch = Scratch::new("taken");
    let temp = scratch.start(scratch.settings().quota(8 << 20)).await;
    let mut upload = temp.file("upload").await.unwrap();
    let taken = upload.write(&vec![0; 5 << 20]).await.unwrap() as u64;
    assert!(taken < 5 << 20, "tokio takes two megabytes at a time");
    assert_eq!((upload.len(), temp.used()), (taken, taken));
}
