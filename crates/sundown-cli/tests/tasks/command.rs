//! The kind `command`: what a task sends is data, what a program says is kept, told and bounded.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::api::{Desk, end_of, post, problem, submit, until};
use crate::events::follow;

const COMMANDS: &str = r#"
[commands.say]
run = ["/bin/sh", "-c", "printf '<%s>' \"$@\"", "say"]
arguments = true
[commands.read]
run = ["/bin/cat"]
[commands.flood]
run = ["/bin/sh", "-c", "head -c 500000000 /dev/zero; head -c 10000000 /dev/zero >&2; echo end >&2"]
output_limit = "4KiB"
[commands.fail]
run = ["/bin/sh", "-c", "echo first >&2; echo 'no paper' >&2; exit \"$1\"", "fail"]
arguments = true
[commands.missing]
run = ["/nowhere/to/be/found"]
[commands.text]
run = ["/etc/passwd"]
[commands.where]
run = ["/bin/sh", "-c", "pwd; echo \"$TMPDIR\"; echo x > here; mktemp; ls -A >&2"]
[commands.surroundings]
run = ["/usr/bin/env"]
environment = { COLOUR = "red", TASK_ID = "mine" }
[commands.steps]
run = ["/bin/sh", "-c", "echo \"from [$TASK_CHECKPOINT]\"; echo 'checkpoint: 41 of $(x) ü '; [ \"$TASK_CHECKPOINT\" ]"]
lines = true
[commands.long]
run = ["/bin/sh", "-c", "printf checkpoint:; head -c 3000 /dev/zero | tr '\\0' x; echo; sleep 600"]
[commands.hoard]
run = ["/bin/sh", "-c", "mkdir -p deep/er; head -c 30000000 /dev/zero > deep/er/big; ln -s / link; sleep 600"]
[commands.modest]
run = ["/bin/sh", "-c", "head -c 2000000 /dev/zero > big; truncate -s 1G sparse; while ! [ -e \"$1\" ]; do sleep .1; done", "modest"]
arguments = true
[commands.nul]
run = ["/bin/sh", "-c", "printf 'checkpoint:a\\0b\\n'"]
"#;

fn command(name: &str, arguments: &[&str]) -> Value {
    json!({ "kind": "command", "input": { "command": name, "args": arguments }, "max_attempts": 1 })
}

#[tokio::test(flavor = "multi_thread")]
async fn arguments_are_data_whatever_stands_in_them() {
    let desk = Desk::configured(COMMANDS, "");
    let mark = desk.scratch.path("touched");
    let hostile = [
        &format!("$(touch {mark})"),
        &format!("`touch {mark}`"),
        &format!("; touch {mark} #"),
        &format!("' && touch {mark} && '"),
        &format!("| touch {mark}\ntouch {mark}\n"),
        "-rf",
        "--help",
        "--",
        "",
        "*",
        "%s%n\\x00",
        "\"'\\",
        "\u{1b}[2J\u{7f}",
        "ünï 漢字 🌇\u{202e}",
    ];
    let ended = end_of(desk.at(), &command("say", &hostile), "succeeded").await;
    let expected: String = hostile.iter().map(|argument| format!("<{argument}>")).collect();
    assert_eq!(ended["output"]["stdout"], json!(expected));
    assert_eq!(ended["output"]["exit_code"], 0);
    assert!(!Path::new(&mark).exists(), "something was run");
    desk.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_program_can_be_given_is_refused() {
    let desk = Desk::configured(COMMANDS, "");
    let crowd = vec!["x"; 100_000];
    let long = "x".repeat(70_000);
    for (task, culprit) in [
        (command("say", &["a\0b"]), "a zero byte"),
        (command("say", &crowd), "at most 64 arguments"),
        (command("say", &[&long]), "with 65536 bytes"),
        (command("read", &["x"]), "takes no arguments"),
        (command("rm -rf /", &[]), "there is no command `rm -rf /` here (there are: fail, "),
        (command("../say", &[]), "there is no command"),
        (command("", &[]), "there is no command"),
    ] {
        let detail = problem(&post(desk.at(), "/tasks", &task).await, 422, "invalid_input");
        assert!(detail.contains(culprit), "{detail}");
    }
    for input in
        [json!({ "command": ["say"] }), json!({}), json!({ "command": "say", "shell": true })]
    {
        let task = json!({ "kind": "command", "input": input });
        problem(&post(desk.at(), "/tasks", &task).await, 422, "invalid_input");
    }
    desk.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_input_is_read_and_without_one_there_is_none() {
    let desk = Desk::configured(COMMANDS, "");
    let text = format!("ü\n$(x)\n{}", "line\n".repeat(20_000));
    let task = json!({ "kind": "command", "input": { "command": "read", "stdin": text } });
    let ended = end_of(desk.at(), &task, "succeeded").await;
    let kept = ended["output"]["stdout"].as_str().unwrap();
    assert_eq!((kept, &ended["output"]["is_truncated"]), (&text[..64 * 1024], &json!(true)));
    let ended = end_of(desk.at(), &command("read", &[]), "succeeded").await;
    assert_eq!(
        (&ended["output"]["stdout"], &ended["output"]["is_truncated"]),
        (&json!(""), &json!(false))
    );
    desk.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_is_cut_and_fills_no_memory() {
    let desk = Desk::configured(COMMANDS, "");
    let ended = end_of(desk.at(), &command("flood", &[]), "succeeded").await;
    let output = &ended["output"];
    assert_eq!(output["stdout"].as_str().unwrap().len(), 4096);
    assert_eq!(output["stderr"].as_str().unwrap().len(), 4096);
    assert!(output["stderr"].as_str().unwrap().ends_with("\0end\n"), "its last words are kept");
    assert_eq!(output["is_truncated"], true);
    let status = fs::read_to_string(format!("/proc/{}/status", desk.service.process.id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kibibytes: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(kibibytes < 150_000, "{kibibytes} KiB");
    desk.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_says_why_and_is_tried_again() {
    let desk = Desk::configured(COMMANDS, "");
    let mut task = command("fail", &["3"]);
    task["max_attempts"] = 2.into();
    let ended = end_of(desk.at(), &task, "dead").await;
    assert_eq!(ended["error"], "`fail` ended with 3: no paper");
    assert_eq!((&ended["failures"], &ended["attempt"]), (&json!(2), &json!(2)));
    for (task, error) in [
        (command("fail", &["125"]), "`fail` ended with 125: no paper"),
        (
            command("missing", &[]),
            "it could not be started: cannot start /nowhere/to/be/found: No such",
        ),
        (
            command("text", &[]),
            "it could not be started: cannot start /etc/passwd: Permission denied",
        ),
    ] {
        let ended = end_of(desk.at(), &task, "dead").await;
        assert!(ended["error"].as_str().unwrap().starts_with(error), "{ended}");
    }
    desk.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_are_progress_and_a_checkpoint_comes_back() {
    let desk = Desk::configured(COMMANDS, "");
    let mut task = command("steps", &[]);
    task["max_attempts"] = 2.into();
    let id = submit(desk.at(), &task).await;
    let ended = until(desk.at(), &id, "succeeded").await;
    assert_eq!(ended["checkpoint"], json!({ "step": "command", "cursor": "41 of $(x) ü" }));
    let events = follow(desk.at(), &id, "", "").await;
    let lines: Vec<&Value> = events
        .iter()
        .filter(|event| event.name == "progress")
        .map(|event| &event.data["data"]["line"])
        .collect();
    assert_eq!(lines, ["from []", "from [41 of $(x) ü]"]);
    desk.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_that_could_not_come_back_ends_the_program() {
    let desk = Desk::configured(COMMANDS, "");
    for name in ["long", "nul"] {
        let ended = end_of(desk.at(), &command(name, &[]), "dead").await;
        assert_eq!(ended["error"], "a checkpoint is a line of text of at most 2000 bytes");
        assert_eq!(ended["checkpoint"], Value::Null);
    }
    desk.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn each_attempt_has_a_directory_that_is_gone_afterwards() {
    let desk = Desk::configured(COMMANDS, "");
    let ended = end_of(desk.at(), &command("where", &[]), "succeeded").await;
    let said: Vec<&str> = ended["output"]["stdout"].as_str().unwrap().lines().collect();
    let place = Path::new(said[0]);
    assert!(place.starts_with(desk.scratch.0.join("tmp")), "{said:?}");
    assert_eq!(said[0], said[1]);
    assert!(Path::new(said[2]).starts_with(place), "{said:?}");
    assert!(!place.exists(), "{said:?}");
    desk.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_fills_the_disk_is_ended_and_its_neighbour_is_not() {
    let desk = Desk::configured(COMMANDS, "--temp-quota 8MiB --tasks-concurrency 4");
    let end = desk.scratch.path("end");
    let modest = submit(desk.at(), &command("modest", &[&end])).await;
    let ended = end_of(desk.at(), &command("hoard", &[]), "dead").await;
    let error = ended["error"].as_str().unwrap();
    assert!(error.contains("may hold 8388608 together (`temp.quota`)"), "{error}");
    fs::write(end, "").unwrap();
    until(desk.at(), &modest, "succeeded").await;
    desk.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_sees_nothing_of_the_environment_of_the_service() {
    let scratch = crate::service::Scratch::new();
    let launch = Desk::launch(&scratch, COMMANDS, "")
        .env("SUNDOWN_ADMIN_TOKEN", "battery-staple")
        .env("NOTIFY_SOCKET", scratch.path("notify"));
    let service = crate::service::serving(launch.spawn().unwrap());
    let desk = Desk { service, scratch };
    let ended = end_of(desk.at(), &command("surroundings", &[]), "succeeded").await;
    let text = ended["output"]["stdout"].as_str().unwrap();
    let mut names: Vec<&str> =
        text.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
    names.retain(|name| !matches!(*name, "HOME" | "LANG" | "PATH"));
    names.sort_unstable();
    assert_eq!(names, ["COLOUR", "TASK_ATTEMPT", "TASK_CHECKPOINT", "TASK_ID", "TMPDIR"]);
    let id = ended["id"].as_str().unwrap();
    assert!(text.contains(&format!("TASK_ID={id}\n")) && text.contains("COLOUR=red\n"), "{text}");
    desk.close();
}
