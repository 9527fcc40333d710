//! The key that the kind `http` sends is of one task of one store.

use sundown_drill::postgres::{Fsync, Server};
use sundown_drill::process::Signal;

use crate::api::{ask, end_of, until_it};
use crate::calls::{Other, call, flags, key};
use crate::service::{Scratch, Service, serving, sundown};

/// The keys that were sent, in their order.
fn keys(other: &Other) -> Vec<String> {
    other.heard().iter().map(|request| key(request)).collect()
}

fn open(scratch: &Scratch, other: &Other, store: &str) -> Service {
    let launch = sundown("serve --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0");
    let launch = launch.args(flags(&other.url("/in"), "20s").split(' '));
    let temporary = scratch.path("tmp");
    serving(launch.args(["--temp-directory", &temporary, "--store", store]).spawn().unwrap())
}

fn close(mut service: Service) {
    service.signal(Signal::Term);
    service.ends_with(0);
}

/// Runs task 1 of each of these stores, and begins that of the first again: in another process on the
/// same store, and in another one after a restart.
async fn send(stores: [&str; 2]) {
    let (other, scratches) = (Other::start(), [Scratch::new(), Scratch::new(), Scratch::new()]);
    let services = [open(&scratches[0], &other, stores[0]), open(&scratches[1], &other, stores[1])];
    let task = call(&other.url("/in/missing"));
    for service in &services {
        assert_eq!(end_of(service.web, &task, "failed").await["id"], "1");
    }
    let [first, second] = keys(&other).try_into().unwrap();
    assert_ne!(first, second, "two stores");
    assert!(first.starts_with("sundown-") && first.ends_with("-1"), "{first}");

    let replica = open(&scratches[2], &other, stores[0]);
    let [service, unrelated] = services;
    close(unrelated);
    close(service);
    again(&replica, &other, 3).await;
    close(replica);
    let restarted = open(&scratches[0], &other, stores[0]);
    again(&restarted, &other, 4).await;
    close(restarted);
    let keys = keys(&other);
    assert_eq!((&keys[2], &keys[3]), (&first, &first), "one store");
}

/// Has task 1 run again, as the request that is the `count`th.
async fn again(service: &Service, other: &Other, count: usize) {
    ask(service.web, "POST /tasks/1/requeue", "").await;
    until_it(service.web, "1", |task| task["state"] == "failed" && other.heard().len() == count)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_files_send_different_keys_and_every_process_of_one_the_same() {
    let scratch = Scratch::new();
    send([&scratch.path("alice.db"), &scratch.path("bob.db")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_databases_send_different_keys_and_every_replica_of_one_the_same() {
    let server = Server::start(Fsync::Off).unwrap();
    let bob = server.create_database().unwrap();
    send([&server.url(), &server.url_of(&bob)]).await;
}
