//! The judge has teeth: the store is sabotaged behind the back of the service, and it is found out.

use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sundown_drill::process::Signal;

use crate::errand::command;
use crate::evidence::Evidence;
use crate::ground::{Ground, Store};
use crate::http::{get, request};
use crate::judge::{Crime, Finding, judge};
use crate::last_word::last_word;
use crate::ledger::{Ledger, Promise, Trouble, now};
use crate::load::id;
use crate::processes::{MARK, pause};
use crate::replica::Replica;
use crate::service::PATIENCE;

const CAP: Duration = Duration::from_secs(5);

/// Takes out of the store's functions that only the attempt that holds a task may write. That each
/// of them was there to be taken out is checked.
const UNFENCE: &str = "do $do$
declare
    f record;
    v_whole text;
    v_open text;
begin
    for f in select * from (values
        ('progress_1', 't.attempt = a.attempt and t.state + 0 = 1 and t.owner = p_owner', 'true'),
        ('renew_1', 't.attempt = a.attempt and t.state + 0 = 1 and t.owner = p_owner', 'true'),
        ('end_1', 't.id = a.id and t.attempt = a.attempt and t.state + 0 = 1', 't.id = a.id'),
        ('end_1', '(p_owner is null or t.owner = p_owner)', 'true')
    ) as part (name, fence, hole) loop
        v_whole := pg_get_functiondef(('sundown.' || f.name)::regproc);
        v_open := replace(v_whole, f.fence, f.hole);
        if v_open = v_whole then
            raise exception 'no fence in %', f.name;
        end if;
        execute v_open;
    end loop;
end $do$";

/// The fence of a file is in the program and cannot be taken out. So the row says again what the
/// superseded attempt believes, and its writes come through as if there were none.
fn give_back(task: i64) -> String {
    format!(
        "update task set attempt = 1, owner = (select min(number) from owner) where id = {task}"
    )
}

/// Some replicas on a store, and what they promised.
struct Scene {
    ground: Ground,
    ledger: Ledger,
    replicas: Vec<(Replica, SocketAddr)>,
}

impl Scene {
    fn new(ground: Ground) -> Self {
        let ledger = Ledger::create(&ground.ledger());
        Scene { ground, ledger, replicas: Vec::new() }
    }

    fn start(&mut self) -> SocketAddr {
        let mark = format!("scene-{}", self.replicas.len());
        let replica = Replica::start(&self.ground, mark, None, CAP, None);
        let address = replica.serves(PATIENCE).unwrap();
        self.replicas.push((replica, address));
        address
    }

    fn submit(&self, key: &str, task: &Value) -> i64 {
        let headers = format!("Content-Type: application/json\r\nIdempotency-Key: {key}\r\n");
        let body = task.to_string();
        let answer = wait_for(request(self.replicas[0].1, "POST /tasks", &headers, &body));
        let task = id(&answer);
        self.ledger.promise(&Promise::Ack { task, key: key.to_owned() });
        task
    }

    /// Freezes a replica between two commits: in the middle of one it would hold the lock of a file.
    fn freeze(&mut self, replica: usize) {
        let end = Instant::now() + PATIENCE;
        loop {
            self.replicas[replica].0.signal(Signal::Stop);
            while !self.replicas[replica].0.is_frozen() {
                assert!(Instant::now() < end, "it cannot be frozen");
            }
            if !self.ground.is_locked() {
                return;
            }
            assert!(Instant::now() < end, "it never lets go of the lock");
            self.replicas[replica].0.signal(Signal::Cont);
            pause(Duration::from_millis(10));
        }
    }

    /// Waits until it stands so with a task.
    #[track_caller]
    fn becomes(&self, replica: usize, task: i64, is_so: impl Fn(&Value) -> bool) {
        let end = Instant::now() + PATIENCE;
        loop {
            let found = wait_for(get(self.replicas[replica].1, &format!("/tasks/{task}")));
            if is_so(&found) {
                return;
            }
            assert!(Instant::now() < end, "{found}");
            pause(Duration::from_millis(20));
        }
    }

    /// What the judge says, and how many writes the service refused.
    fn end(self) -> (Vec<Finding>, usize) {
        self.ground.folder.keep(&last_word(self.replicas[self.replicas.len() - 1].1));
        let log = Ledger::create(&self.ground.siege());
        let mut refused = 0;
        for (mut replica, _) in self.replicas {
            replica.signal(Signal::Kill);
            let end = replica.end(PATIENCE);
            refused += end.refused;
            for process in end.orphans {
                log.trouble(&Trouble::Orphan { process });
            }
        }
        (judge(&Evidence::read(&self.ground.folder.0)), refused)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn wait_for(answer: impl Future<Output = Result<crate::http::Answer, String>>) -> Value {
    let answer = answer.await.unwrap();
    assert!(answer.status < 300, "{}", answer.text());
    answer.text().parse().unwrap()
}

/// A process is frozen in the middle of a task, comes back when another one has it, and goes on.
fn zombie(ground: Ground, is_fenced: bool) -> (i64, Vec<Finding>, usize) {
    let is_file = matches!(ground.store, Store::File);
    let mut scene = Scene::new(ground);
    scene.start();
    if !is_fenced && !is_file {
        scene.ground.sql(UNFENCE);
    }
    let input = json!({ "to": 60, "pause_ms": 50 });
    let task = scene.submit("zombie", &json!({ "kind": "count", "input": input }));
    scene.becomes(0, task, |task| task["last_event"].as_u64() > Some(3));
    scene.freeze(0);
    scene.start();
    scene.becomes(1, task, |task| {
        task["attempt"].as_u64() > Some(1) && task["checkpoint"]["cursor"].as_u64() > Some(8)
    });
    if !is_fenced && is_file {
        scene.ground.sql(&give_back(task));
    }
    scene.replicas[0].0.signal(Signal::Cont);
    scene.becomes(1, task, |task| task["state"] == "succeeded");
    // The other one may have more to say.
    pause(Duration::from_millis(500));
    let (findings, refused) = scene.end();
    (task, findings, refused)
}

#[test]
fn a_zombie_is_refused() {
    for ground in [Ground::file(), Ground::server()] {
        let (_, findings, refused) = zombie(ground, true);
        assert_eq!(findings, []);
        assert!(refused > 0, "it never came to that");
    }
}

#[test]
fn with_fencing_switched_off_a_zombie_is_found_out() {
    for ground in [Ground::file(), Ground::server()] {
        let (task, findings, _) = zombie(ground, false);
        println!("torture: without fencing: {findings:?}");
        let superseded = |finding: &Finding| finding.crime == Crime::Superseded;
        assert!(findings.iter().any(superseded), "{findings:?}");
        assert!(findings.iter().all(|finding| finding.of == task), "{findings:?}");
    }
}

#[test]
fn rows_that_are_dropped_opened_again_or_charged_are_found_out_and_nothing_else() {
    for ground in [Ground::file(), Ground::server()] {
        tamper(ground);
    }
}

fn tamper(ground: Ground) {
    // In a file it is said apart that the time of a task has come.
    let (table, is_ready) = match &ground.store {
        Store::File | Store::SmallDisk(_) => ("task", ", ready = 1"),
        Store::Server(_) => ("sundown.task", ""),
    };
    let mut scene = Scene::new(ground);
    scene.start();
    let quick = command("quick");
    let tasks: Vec<i64> =
        ["kept", "dropped", "opened", "charged"].map(|key| scene.submit(key, &quick)).to_vec();
    for task in &tasks {
        scene.becomes(0, *task, |task| task["state"] == "succeeded");
        scene.ledger.promise(&Promise::Done { task: *task, at: now() });
    }
    let [_, dropped, opened, charged] = tasks[..] else { unreachable!() };
    scene.ground.sql(&format!(
        "delete from {table} where id = {dropped};
         update {table} set state = 0, output = null, ended_at = null{is_ready} where id = {opened};
         update {table} set failures = 1 where id = {charged};"
    ));
    scene.becomes(0, opened, |task| task["attempt"] == 2 && task["state"] == "succeeded");
    let (findings, _) = scene.end();
    let mut found: Vec<_> = findings.iter().map(|found| (found.crime, found.of)).collect();
    found.sort_unstable();
    found.dedup();
    let expected = [(Crime::Lost, dropped), (Crime::Rerun, opened), (Crime::Burned, charged)];
    assert_eq!(found, expected, "{findings:?}");
}

/// Whoever supervises commands does not know of this one.
#[test]
fn a_process_that_outlives_the_service_is_found_out_and_nobody_else() {
    let mut scene = Scene::new(Ground::file());
    let address = scene.start();
    let task = scene.submit("stays", &command("stubborn"));
    let end = Instant::now() + PATIENCE;
    while scene.replicas[0].0.commands() < 3 {
        assert!(Instant::now() < end, "the command and its child never came: {address}");
        pause(Duration::from_millis(20));
    }
    let mark = scene.replicas[0].0.mark().to_owned();
    let mut stray = Command::new("sleep").arg("300").env(MARK, mark).spawn().unwrap();
    let (mut killed, _) = scene.replicas.remove(0);
    killed.signal(Signal::Kill);
    let orphans = killed.end(PATIENCE).orphans;
    scene.ground.is_over();
    scene.start();
    scene.becomes(0, task, |task| task["state"] == "succeeded");
    let log = Ledger::create(&scene.ground.siege());
    orphans.iter().for_each(|process| log.trouble(&Trouble::Orphan { process: *process }));
    let (findings, _) = scene.end();
    stray.kill().unwrap();
    stray.wait().unwrap();
    let found: Vec<_> = findings.iter().map(|found| (found.crime, found.of)).collect();
    assert_eq!(found, [(Crime::Orphan, i64::from(stray.id()))], "{findings:?}");
}
