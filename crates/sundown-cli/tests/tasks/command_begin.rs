//! The beginning of a command: an attempt runs it once, whatever it says with its end, and whatever it does
//! to its own directory.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::api::{Desk, end_of, show};
use crate::service::{Scratch, serving};

/// Programs that end as something else than a program would, having emptied their directory.
fn commands(scratch: &Scratch) -> String {
    let ends = [
        ("late", "exit 124"),
        ("none", "exit 125"),
        ("stdin", "exit 124"),
        ("killed", "kill -9 $$"),
        ("well", "exit 0"),
    ];
    let log = scratch.path("log");
    let command = |(name, end): (&str, &str)| {
        format!(
            "[commands.{name}]\nenvironment = {{ LOG = \"{log}\" }}\nrun = [\"/bin/sh\", \"-c\", \
             '''echo {name} >> \"$LOG\"; rm -rf .[!.]* *; chmod 0 .; echo said >&2; {end}''']\n"
        )
    };
    ends.map(command).concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_runs_its_command_once_whatever_it_ends_with() {
    let scratch = Scratch::new();
    let configuration = commands(&scratch);
    let service = serving(Desk::launch(&scratch, &configuration, "").spawn().unwrap());
    let desk = Desk { service, scratch };
    for (name, state, error) in [
        ("late", "dead", json!("`late` ended with 124: said")),
        ("none", "dead", json!("`none` ended with 125: said")),
        ("stdin", "dead", json!("`stdin` ended with 124: said")),
        ("killed", "dead", json!("`killed` ended with 137: said")),
        ("well", "succeeded", Value::Null),
    ] {
        let stdin = if name == "stdin" { json!("x") } else { Value::Null };
        let input = json!({ "command": name, "stdin": stdin });
        let task = json!({ "kind": "command", "input": input, "max_attempts": 1 });
        let ended = end_of(desk.at(), &task, state).await;
        assert_eq!((&ended["error"], &ended["attempt"]), (&error, &json!(1)), "{ended}");
        assert_eq!(show(desk.at(), ended["id"].as_str().unwrap()).await["state"], state);
    }
    let log = fs::read_to_string(desk.scratch.path("log")).unwrap();
    assert_eq!(log.lines().collect::<Vec<_>>(), ["late", "none", "stdin", "killed", "well"]);
    desk.close();
}

/// A shim as a service starts it, for a service that is its parent and for one that was.
#[test]
fn nothing_begins_for_a_service_that_is_gone() {
    let scratch = Scratch::new();
    let log = scratch.path("log");
    let far = (u64::MAX / 2).to_string();
    for (service, may_begin) in [("1", false), (&*std::process::id().to_string(), true)] {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut shim = Command::new(env!("CARGO_BIN_EXE_sundown"))
            .args(["__shim", "watch", "200", &far, service, "", "/bin/sh", "-c"])
            .arg(format!("echo begun >> {log}"))
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .spawn()
            .unwrap();
        let said = std::io::read_to_string(ours).unwrap();
        shim.wait().unwrap();
        assert_eq!(said.starts_with("begun "), may_begin, "{said}");
        assert_eq!(said.contains("the service is gone"), !may_begin, "{said}");
        assert_eq!(fs::exists(&log).unwrap(), may_begin, "{said}");
    }
}
