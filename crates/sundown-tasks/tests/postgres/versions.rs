//! Tables are made once, and those of another version are left alone.

use std::sync::Arc;

use sundown_tasks::{PostgresSettings, PostgresStore, Store, StoreError};
use tokio::task::JoinSet;

use crate::ground::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_that_start_at_once_make_one_schema() {
    let settings = settings(server());
    let mut starting = JoinSet::new();
    for _ in 0..8 {
        starting.spawn(PostgresStore::connect(settings.clone()));
    }
    let stores: Vec<_> =
        starting.join_all().await.into_iter().map(|store| Arc::new(store.unwrap())).collect();
    for store in &stores {
        enqueue(store, "a").await;
    }
    assert_eq!(stores[0].counts().await.unwrap().pending, 8);
}

#[tokio::test]
async fn tables_of_a_newer_major_version_are_refused_and_left_alone() {
    let settings = settings(server()).schema("newer_major");
    open(settings.clone()).await.close().await.unwrap();
    server().sql("postgres", "update newer_major.schema_version set major = 2, minor = 7").unwrap();
    let error = PostgresStore::connect(settings).await.unwrap_err();
    let StoreError::Broken { why } = &error else { panic!("{error:?}") };
    assert!(why.contains("version 2.7") && why.contains("newer"), "{why}");
    let check = "select 1 / (major = 2 and minor = 7)::int from newer_major.schema_version";
    server().sql("postgres", check).unwrap();
}

#[tokio::test]
async fn tables_of_a_newer_minor_version_are_used_and_left_alone() {
    let settings = settings(server()).schema("newer_minor");
    open(settings.clone()).await.close().await.unwrap();
    server().sql("postgres", "update newer_minor.schema_version set minor = 99").unwrap();
    let store = open(settings).await;
    enqueue(&store, "a").await;
    let check = "select 1 / (minor = 99)::int from newer_minor.schema_version";
    server().sql("postgres", check).unwrap();
}

#[tokio::test]
async fn what_cannot_be_used_is_told_at_once() {
    let broken = async |settings: PostgresSettings| {
        let error = PostgresStore::connect(settings).await.unwrap_err();
        assert!(!error.is_passing(), "{error}");
        error.to_string()
    };
    let nowhere = broken(PostgresSettings::new(server().url_of("no_such_database"))).await;
    assert!(nowhere.contains("no_such_database"), "{nowhere}");
    let url = broken(PostgresSettings::new("mysql://somewhere")).await;
    assert!(url.contains("postgres://"), "{url}");
    let schema = broken(settings(server()).schema("a; drop table b")).await;
    assert!(schema.contains("no name of a schema"), "{schema}");
}
