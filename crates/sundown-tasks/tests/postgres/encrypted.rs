//! Encrypted connections: to who proves its name, and to nobody else.

use std::path::Path;

use sundown_drill::postgres::{Fsync, Server};
use sundown_tasks::{PostgresSettings, PostgresStore, StoreError};

use crate::ground::{claim, enqueue, open, until};

fn settings(server: &Server, host: &str, parameters: &str) -> PostgresSettings {
    let port = server.port();
    let url = format!("postgres://postgres@{host}:{port}/postgres?{parameters}");
    PostgresSettings::new(url).patience(std::time::Duration::from_secs(20))
}

async fn refused(settings: PostgresSettings) -> String {
    match PostgresStore::connect(settings).await {
        Err(StoreError::Broken { why }) => why,
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it was let in"),
    }
}

#[tokio::test]
async fn everything_is_encrypted_for_who_asks_and_only_with_who_proves_its_name() {
    let server = Server::start(Fsync::Off).unwrap();
    let signer = server.encrypt().unwrap();
    let trusted = |path: &Path| format!("sslmode=verify-full&sslrootcert={}", path.display());

    let clear = refused(settings(&server, "127.0.0.1", "sslmode=disable")).await;
    assert!(clear.contains("sslmode=require"), "{clear}");
    let unknown = refused(settings(&server, "127.0.0.1", "sslmode=require")).await;
    assert!(unknown.contains("sslrootcert"), "{unknown}");
    let elsewhere = format!("hostaddr=127.0.0.1&{}", trusted(&signer));
    let other_name = refused(settings(&server, "another.example", &elsewhere)).await;
    assert!(other_name.contains("does not prove its name"), "{other_name}");
    let missing = refused(settings(&server, "127.0.0.1", "sslrootcert=/no/such.pem")).await;
    assert!(missing.contains("/no/such.pem"), "{missing}");
    let empty = signer.with_file_name("PG_VERSION");
    let empty = refused(settings(&server, "127.0.0.1", &trusted(&empty))).await;
    assert!(empty.contains("no certificate"), "{empty}");

    let store = open(settings(&server, "127.0.0.1", &trusted(&signer))).await;
    enqueue(&store, "secret").await;
    // What another process does is heard over a connection that is encrypted as well.
    let other = open(settings(&server, "localhost", &trusted(&signer))).await;
    let news = sundown_tasks::Store::changed(&*other);
    enqueue(&store, "secret").await;
    news.await;
    until("both are claimed", async || claim(&other, "secret", 1).await.is_empty()).await;
    let plain = "do $$ begin
        if exists (select from pg_stat_ssl join pg_stat_activity using (pid)
                   where application_name = 'sundown' and not ssl) then
            raise exception 'in clear';
        end if;
        if not exists (select from pg_stat_activity where application_name = 'sundown') then
            raise exception 'nobody';
        end if;
    end $$";
    server.sql("postgres", plain).unwrap();
}
