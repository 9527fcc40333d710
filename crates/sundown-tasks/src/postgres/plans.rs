//! A claim costs what it claims, whatever else waits; and the functions of version 1.1 go on beside ours.

use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;
use sundown_drill::postgres::{Fsync, Server};
use tokio_postgres::Client;

use super::address::Address;
use super::schema::{MINORS, migrate_to};
use super::session::Session;
use crate::{
    Ending, Enqueued, Finish, NewTask, PostgresSettings, PostgresStore, State, Store, TaskId,
    Wanted,
};

fn task(kind: &str, route: &str) -> NewTask {
    NewTask {
        kind: kind.to_owned(),
        route: route.to_owned(),
        input: RawValue::NULL.to_owned(),
        key: None,
        priority: 0,
        run_at: None,
        max_attempts: 1,
        max_interruptions: 1,
    }
}

async fn claim(store: &PostgresStore, kind: &str, routes: &[&str]) -> Vec<TaskId> {
    let routes: Arc<[String]> = routes.iter().map(|&route| route.to_owned()).collect();
    let wanted = Wanted { kind: kind.to_owned(), routes, count: 10 };
    let claims = store.claim(vec![wanted], 10, Duration::from_secs(60)).await.unwrap();
    claims.iter().map(|claim| claim.fence.task).collect()
}

async fn session(server: &Server) -> Session {
    let patience = Duration::from_secs(20);
    let address = Address::read(&server.url(), patience, 1 << 20).unwrap();
    Session::open(&address, patience).await.unwrap()
}

/// How many tasks the server looks at for a claim of one route.
async fn looked_at(client: &Client, route: &str) -> i64 {
    client.batch_execute("begin").await.unwrap();
    let claim = format!(
        "select count(*) from many.claim_2('\\x01', 0, 1, 1, true, array['a', 'a'], \
         array['', '{route}'], array[10, 10], 10, 60000)"
    );
    let found: i64 = client.query_typed(&claim, &[]).await.unwrap()[0].get(0);
    assert_eq!(found, 1, "there is one of this route");
    let looked = "select idx_tup_fetch from pg_stat_xact_user_tables \
         where relid = 'many.task'::regclass";
    let looked: i64 = client.query_typed(looked, &[]).await.unwrap()[0].get(0);
    client.batch_execute("rollback").await.unwrap();
    looked
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_does_not_walk_past_tasks_of_other_routes() {
    let server = Server::start(Fsync::Off).unwrap();
    let settings = PostgresSettings::new(server.url()).schema("many");
    let store = PostgresStore::connect(settings).await.unwrap();
    let session = session(&server).await;
    // At first the server's statistics know of no route at all.
    store.enqueue(vec![task("a", "elsewhere"); 2000], u64::MAX).await.unwrap();
    session
        .client
        .batch_execute("update many.task set route = ''; analyze many.task")
        .await
        .unwrap();
    session.client.batch_execute("update many.task set route = 'elsewhere'").await.unwrap();
    for _ in 0..4 {
        store.enqueue(vec![task("a", "elsewhere"); 2000], u64::MAX).await.unwrap();
    }
    store.enqueue(vec![task("a", "here")], u64::MAX).await.unwrap();
    let looked = looked_at(&session.client, "here").await;
    assert!(looked < 100, "{looked} of 10,000 were looked at before the statistics knew");
    session.client.batch_execute("analyze many.task").await.unwrap();
    let looked = looked_at(&session.client, "here").await;
    assert!(looked < 100, "{looked} of 10,000 were looked at");
}

/// What a process of version 1.1 sends.
struct Old<'a>(&'a Client);

impl Old<'_> {
    async fn enqueue(&self, batch: i64) -> TaskId {
        let sql = format!(
            "select o_id from old.enqueue_1('\\x01', 0, {batch}, 1000, array['a'], array['null'], \
             array[null]::text[], array[0]::smallint[], array[null]::bigint[], array[1], array[1])"
        );
        TaskId(self.0.query_typed(&sql, &[]).await.unwrap()[0].get(0))
    }

    async fn claim(&self, batch: i64) -> Vec<TaskId> {
        let sql = format!(
            "select o_id from old.claim_1('\\x01', 0, {batch}, {batch}, true, array['a'], array[10], \
             10, 60000)"
        );
        let rows = self.0.query_typed(&sql, &[]).await.unwrap();
        rows.iter().map(|row| TaskId(row.get(0))).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_of_version_1_1_take_in_and_claim_beside_those_with_routes() {
    let server = Server::start(Fsync::Off).unwrap();
    let session = session(&server).await;
    migrate_to(&session.client, "old", &MINORS[..1]).await.unwrap();
    let old = Old(&session.client);
    let before = old.enqueue(1).await;
    let settings = PostgresSettings::new(server.url()).schema("old");
    let store = PostgresStore::connect(settings).await.unwrap();
    let after = old.enqueue(2).await;
    assert_eq!(claim(&store, "a", &["x"]).await, [before, after], "theirs have no route");
    let third = old.enqueue(3).await;
    let taken = store.enqueue(vec![task("a", "x")], u64::MAX).await.unwrap();
    let [Enqueued::New(fourth)] = taken[..] else { panic!("{taken:?}") };
    assert_eq!(old.claim(4).await, [third, fourth], "they know of no routes");
    let lost = store.rescue(10).await.unwrap();
    assert_eq!(lost, [], "and what they claimed is theirs");
    let ending = Ending::Succeeded(RawValue::NULL.to_owned());
    let fence = crate::Fence { task: before, attempt: 1 };
    let finished = store.finish(vec![(fence, ending)]).await.unwrap();
    assert_eq!(finished, [Finish::Now(State::Succeeded)]);
}
