//! A PostgreSQL server that a test starts, kills and starts again.

use std::path::Path;

use sundown_drill::postgres::{Fsync, Pooler, Server, Stop};

#[test]
fn what_was_written_is_there_after_every_kind_of_end() {
    let server = Server::start(Fsync::On).unwrap();
    let database = server.create_database().unwrap();
    server.sql(&database, "create table seen (n int)").unwrap();
    for (count, stop) in [Stop::Fast, Stop::Immediate, Stop::Kill].into_iter().enumerate() {
        server.sql(&database, "insert into seen values (1)").unwrap();
        server.restart(stop).unwrap();
        let wanted = count + 1;
        let check = format!("select 1 / (count(*) = {wanted})::int from seen");
        server.sql(&database, &check).unwrap();
    }
    assert!(server.sql(&database, "select 1 / 0").is_err(), "what fails is told");
}

#[test]
fn a_dropped_server_leaves_nothing() {
    let server = Server::start(Fsync::Off).unwrap();
    let pooler = Pooler::start(&server).unwrap();
    let name = format!("sundown-postgres-{}-", std::process::id());
    let left = || {
        let entries = std::fs::read_dir(std::env::temp_dir()).unwrap().flatten();
        let mine = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(&name));
        mine.filter(|entry| Path::exists(&entry.path().join("pgbouncer.ini"))).count()
    };
    assert_eq!(left(), 1);
    assert!(pooler.url_of("postgres").starts_with("postgres://"));
    drop(pooler);
    let port = server.port();
    drop(server);
    assert_eq!(left(), 0);
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
}
