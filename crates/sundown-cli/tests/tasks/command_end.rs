//! The end of a command: whoever ends it, and however, no process is left.

use std::fs;
use std::time::Duration;

use rustix::process::{Pid, Signal as Kill, kill_process};
use serde_json::{Value, json};
use sundown_drill::process::Signal;
use tokio::time::{Instant, sleep};

use crate::api::{Desk, ask, submit, until, until_it};
use crate::service::{PATIENCE, Scratch, last_word, serving};

/// How long processes may take to be gone.
const GONE: Duration = Duration::from_secs(10);

/// A program that ignores SIGTERM, with a child, a grandchild and a daemon that do so, too.
const STUBBORN: &str = "trap '' TERM; (sleep 61 & sleep 62) & setsid sleep 63 & \
     setsid sh -c 'setsid sleep 64 & sleep 65' & sleep 66; sleep 67";
/// One that does as it is told.
const OBEDIENT: &str = "trap 'echo told > \"$LOG\"; exit 0' TERM; sleep 61 & wait; sleep 62 & wait";

/// One that stops the shim, once, and has a daemon that says nothing of where it comes from.
const FROZEN: &str = "kill -STOP $PPID; trap : HUP TERM; \
     env -i setsid sh -c \"sleep 61; : $MARK\" & sleep 62; sleep 63";
/// One that stops the shim, again and again.
const JAILER: &str = "trap : HUP TERM; (while kill -STOP $PPID; do sleep .02; done) & \
     env -i setsid sh -c \"sleep 61; : $MARK\" & sleep 62; sleep 63";

/// Programs whose processes carry a mark of this test.
fn commands(scratch: &Scratch) -> String {
    let mark = mark(scratch);
    let log = scratch.path("log");
    let stops_the_shim = |(name, program): (&str, &str)| {
        format!(
            "[commands.{name}]\nrun = [\"/bin/sh\", \"-c\", '''{program}''']\n\
             grace = \"300ms\"\nenvironment = {{ MARK = \"{mark}\" }}\n"
        )
    };
    let hostile = [("frozen", FROZEN), ("jailer", JAILER)].map(stops_the_shim).concat();
    format!(
        "{hostile}[commands.stubborn]\nrun = [\"/bin/sh\", \"-c\", \"\"\"{STUBBORN}\"\"\"]\n\
         grace = \"300ms\"\nenvironment = {{ MARK = \"{mark}\" }}\n\
         [commands.obedient]\nrun = [\"/bin/sh\", \"-c\", '''{OBEDIENT}''']\n\
         environment = {{ MARK = \"{mark}\", LOG = \"{log}\" }}\n"
    )
}

fn mark(scratch: &Scratch) -> String {
    scratch.path("mark")
}

/// The processes that carry it, in their environment or in their arguments, the shim among them.
fn marked(scratch: &Scratch) -> Vec<(i32, String)> {
    let (plain, mark) = (mark(scratch), format!("MARK={}", mark(scratch)));
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let marked = processes.filter_map(|process| {
        let id = process.file_name().to_str()?.parse().ok()?;
        let environment = fs::read(process.path().join("environ")).unwrap_or_default();
        let has = environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes());
        let line = fs::read_to_string(process.path().join("cmdline")).ok()?;
        (has || line.contains(&plain)).then(|| (id, line.replace('\0', " ")))
    });
    marked.collect()
}

async fn until_gone(scratch: &Scratch) {
    let deadline = Instant::now() + GONE;
    while !marked(scratch).is_empty() {
        assert!(Instant::now() < deadline, "{:?}", marked(scratch));
        sleep(Duration::from_millis(10)).await;
    }
}

fn open(flags: &str) -> Desk {
    let scratch = Scratch::new();
    let commands = commands(&scratch);
    let service = serving(Desk::launch(&scratch, &commands, flags).spawn().unwrap());
    Desk { service, scratch }
}

/// Runs it, and waits until it has so many processes.
async fn running(desk: &Desk, name: &str, processes: usize) -> String {
    let task = json!({ "kind": "command", "input": { "command": name }, "max_attempts": 1 });
    let id = submit(desk.at(), &task).await;
    let deadline = Instant::now() + Duration::from_secs(20);
    while marked(&desk.scratch).len() < processes {
        assert!(Instant::now() < deadline, "{:?}", marked(&desk.scratch));
        sleep(Duration::from_millis(10)).await;
    }
    id
}

/// The shim, the shell, and those it starts.
const CROWD: usize = 8;

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_command_is_asked_to_end() {
    let desk = open("");
    let id = running(&desk, "obedient", 3).await;
    assert_eq!(ask(desk.at(), &format!("DELETE /tasks/{id}"), "").await.status, 202);
    let ended = until(desk.at(), &id, "cancelled").await;
    assert_eq!(ended["failures"], 0, "{ended}");
    until_gone(&desk.scratch).await;
    assert_eq!(fs::read_to_string(desk.scratch.path("log")).unwrap(), "told\n");
    desk.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_command_that_does_not_listen_is_killed_with_all_its_kin() {
    let desk = open("");
    let id = running(&desk, "stubborn", CROWD).await;
    let began = Instant::now();
    assert_eq!(ask(desk.at(), &format!("DELETE /tasks/{id}"), "").await.status, 202);
    until(desk.at(), &id, "cancelled").await;
    assert!(began.elapsed() >= Duration::from_millis(300), "it had its grace");
    assert_eq!(marked(&desk.scratch), [], "nothing is left when it is over");
    desk.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_service_leaves_no_process() {
    let mut desk = open("");
    running(&desk, "stubborn", CROWD).await;
    desk.service.signal(Signal::Kill);
    until_gone(&desk.scratch).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_shim_leaves_no_process_and_the_task_fails() {
    let desk = open("");
    let id = running(&desk, "stubborn", CROWD).await;
    kill_process(shim(&desk), Kill::KILL).unwrap();
    until_gone(&desk.scratch).await;
    let ended = until(desk.at(), &id, "dead").await;
    assert!(
        ended["error"].as_str().unwrap().starts_with("the command was cut off: signal: 9"),
        "{ended}"
    );
    desk.close();
}

fn shim(desk: &Desk) -> Pid {
    let processes = marked(&desk.scratch);
    let (shim, _) = processes.iter().find(|(_, line)| line.contains("__shim")).unwrap();
    Pid::from_raw(*shim).unwrap()
}

/// Waits until the shim is stopped, as the command wants it to be.
async fn until_stopped(shim: Pid) {
    let deadline = Instant::now() + Duration::from_secs(20);
    let stat = format!("/proc/{}/stat", shim.as_raw_nonzero());
    while !fs::read_to_string(&stat).unwrap().contains(") T ") {
        assert!(Instant::now() < deadline, "it was never stopped");
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_shim_keeps_nobody_alive_when_its_task_is_cancelled() {
    let desk = open("");
    for (name, processes) in [("frozen", 4), ("jailer", 6)] {
        let id = running(&desk, name, processes).await;
        until_stopped(shim(&desk)).await;
        assert_eq!(ask(desk.at(), &format!("DELETE /tasks/{id}"), "").await.status, 202);
        until(desk.at(), &id, "cancelled").await;
        assert_eq!(marked(&desk.scratch), [], "nothing of {name} is left when it is over");
    }
    desk.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_shim_keeps_nobody_alive_when_its_service_is_killed() {
    let mut desk = open("");
    running(&desk, "frozen", 4).await;
    until_stopped(shim(&desk)).await;
    desk.service.signal(Signal::Kill);
    until_gone(&desk.scratch).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_dies_with_service_and_shim_and_the_next_start_ends_its_kin() {
    let mut desk = open("");
    running(&desk, "stubborn", CROWD).await;
    let shim = shim(&desk);
    // So that none of them can see to it when the other one is gone.
    desk.service.signal(Signal::Stop);
    kill_process(shim, Kill::KILL).unwrap();
    desk.service.signal(Signal::Kill);
    let deadline = Instant::now() + GONE;
    while marked(&desk.scratch).iter().any(|(_, line)| line.contains("; sleep 67")) {
        assert!(Instant::now() < deadline, "{:?}", marked(&desk.scratch));
        sleep(Duration::from_millis(10)).await;
    }
    assert_ne!(marked(&desk.scratch), [], "its daemons are alive");
    let Desk { service, scratch } = desk;
    drop(service);
    let next = serving(Desk::launch(&scratch, "", "").spawn().unwrap());
    assert_eq!(marked(&scratch), [], "the next service serves when they are gone");
    Desk { service: next, scratch }.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_that_is_too_short_hands_back_and_leaves_no_process() {
    let mut desk = open("--shutdown-timeout 3s --shutdown-flush 300ms --shutdown-release 1s");
    let stubborn = running(&desk, "stubborn", CROWD).await;
    desk.service.signal(Signal::Term);
    let exit = desk.service.process.wait(PATIENCE).unwrap();
    until_gone(&desk.scratch).await;
    assert_eq!(exit.code, Some(0), "{}{}", exit.stdout, exit.stderr);
    let report: Value = last_word(&exit);
    assert!(report.to_string().contains("handed"), "{report}");

    let commands = commands(&desk.scratch);
    let service = serving(Desk::launch(&desk.scratch, &commands, "").spawn().unwrap());
    let desk = Desk { service, scratch: desk.scratch };
    let again = until_it(desk.at(), &stubborn, |task| task["attempt"] == 2).await;
    let counted = (&again["interruptions"], &again["failures"]);
    assert_eq!(counted, (&json!(1), &json!(0)), "{again}");
    assert_eq!(ask(desk.at(), &format!("DELETE /tasks/{stubborn}"), "").await.status, 202);
    until(desk.at(), &stubborn, "cancelled").await;
    desk.close();
}
