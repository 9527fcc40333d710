//! The metrics, as a scrape shows them. The recorder is that of the process, because files are
//! made on other threads: so this is a test program of its own.

#![cfg(unix)]

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusBuilder;
use sundown::{Cause, Coordinator};
use sundown_tempfiles::{Settings, TempFiles};
use tokio::io::AsyncWriteExt as _;

#[tokio::test(start_paused = true)]
async fn what_happens_to_files_is_counted() {
    let metrics = PrometheusBuilder::new().install_recorder().unwrap();
    let check = |expected: &[&str]| {
        let text = metrics.render();
        for line in expected {
            let line = format!("sundown_tempfiles_{line}");
            assert!(text.lines().any(|said| said == line), "{line} in\n{text}");
        }
    };
    let scratch = std::env::temp_dir().join(format!("sundown-counted-{}", std::process::id()));
    let root = scratch.join("root");
    let coordinator: Arc<Coordinator> =
        Coordinator::builder().cap(Duration::from_secs(30)).build().unwrap();
    fs::create_dir_all(root.join("1-0123456789abcdef")).unwrap();
    fs::write(root.join("1-0123456789abcdef/left"), "12").unwrap();
    let settings = Settings::default().root(root).quota(100).age(Duration::ZERO);
    let temp = TempFiles::start(coordinator.clone(), settings).await.unwrap();
    check(&["removed_total{by=\"successor\"} 1", "removed_bytes_total{by=\"successor\"} 2"]);

    let mut kept = temp.file("kept").await.unwrap();
    kept.write_all(&[0; 60]).await.unwrap();
    let dir = temp.dir("dir").await.unwrap();
    assert!(kept.write_all(&[0; 60]).await.is_err());
    temp.sweep().await;
    check(&["created_total{kind=\"file\"} 1", "created_total{kind=\"directory\"} 1", "held 2"]);
    check(&["used_bytes 60", "limit_bytes 100", "quota_refusals_total 1"]);

    kept.persist(scratch.join("kept")).await.unwrap();
    let dropped = temp.file("dropped").await.unwrap();
    drop(dropped);
    check(&["persisted_total 1", "removed_total{by=\"handle\"} 1", "used_bytes 0", "held 1"]);
    fs::write(temp.path().join("stray"), "x").unwrap();
    temp.sweep().await;
    check(&["removed_total{by=\"sweeper\"} 1", "removed_bytes_total{by=\"sweeper\"} 1"]);

    fs::write(dir.path().join("inside"), "123").unwrap();
    coordinator.initiate(Cause::requested("test"));
    coordinator.run().await;
    check(&["removed_total{by=\"release\"} 1", "in_use_at_release_total 1"]);
    fs::remove_dir_all(scratch).unwrap();
}
