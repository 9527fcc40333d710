//! The first run: something to try without any configuration, where tasks are kept, and a word about commands
//! that cannot work.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use sundown_drill::process::Signal;

use crate::http::{get, request};
use crate::service::{PATIENCE, Scratch, Service, last_word, serving, sundown};

const TASK: &str = r#"{"kind":"count","input":{"to":2}}"#;
const JSON: &str = "Content-Type: application/json\r\n";

/// The service on ports and in directories of its own, and otherwise as these flags say.
fn start(scratch: &Scratch, flags: &str) -> Service {
    let launch = sundown("serve --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0");
    let launch = launch.arg("--temp-directory").arg(scratch.path("tmp"));
    serving(launch.args(flags.split_whitespace()).spawn().unwrap())
}

/// The log lines with this message.
fn logged(service: &Service, message: &str) -> Vec<Value> {
    let lines = service.process.lines().into_iter();
    let lines = lines.filter_map(|line| serde_json::from_str::<Value>(&line.text).ok());
    lines.filter(|line| line["message"] == message).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_any_configuration_there_is_something_to_try() {
    let scratch = Scratch::new();
    let store = format!("--store {}", scratch.path("t.db"));
    let mut service = start(&scratch, &store);
    let task = request(service.web, "POST /tasks", JSON, TASK).await.unwrap();
    assert_eq!(task.status, 201, "{task:?}");
    for path in ["/try", "/try/"] {
        let index = get(service.web, path).await.unwrap();
        assert_eq!(index.status, 200, "{index:?}");
        assert!(index.head.contains("content-type: text/html"), "{}", index.head);
        assert!(index.text().contains("href=\"/try/slow?seconds=8\""), "{}", index.text());
    }
    let quick = get(service.web, "/try/slow?seconds=0").await.unwrap();
    assert_eq!((quick.status, quick.text().as_str()), (200, "that took 0 s\n"));
    let endless = get(service.web, "/try/slow?seconds=601").await.unwrap();
    assert_eq!(endless.status, 400);
    assert!(endless.text().contains("600 seconds at most"), "{}", endless.text());

    let page = format!("http://{}/try", service.web);
    let said = "the demonstration is on (`web.demo = false` turns it off)";
    service.process.wait_for_line(|line| line.contains(said), PATIENCE).unwrap();
    assert_eq!(logged(&service, said)[0]["page"], page.as_str());
    let kept = logged(&service, "tasks are kept here");
    assert_eq!(kept[0]["store"], scratch.path("t.db").as_str(), "{kept:?}");
    service.signal(Signal::Term);
    assert_eq!(last_word(&service.ends_with(0))["sundown"], "clean");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_without_kinds_says_how_to_get_one() {
    let scratch = Scratch::new();
    let mut service = start(&scratch, &format!("--demo=false --store {}", scratch.path("t.db")));
    let batch = format!(r#"{{"tasks":[{TASK}]}}"#);
    for (path, body) in [("POST /tasks", TASK), ("POST /tasks/batch", &batch)] {
        let refused = request(service.web, path, JSON, body).await.unwrap().text();
        for word in ["unknown_kind", "[commands.NAME]", "http.allow", "--demo"] {
            assert!(refused.contains(word), "{path}: {refused}");
        }
        assert!(!refused.contains("there are: none"), "{path}: {refused}");
    }
    assert_eq!(get(service.web, "/try").await.unwrap().status, 404);
    service.signal(Signal::Term);
    service.ends_with(0);
}

#[test]
fn a_sqlite_url_is_the_path_in_it_and_no_file_of_that_name() {
    let scratch = Scratch::new();
    let path = scratch.path("deep/t.db");
    let mut service = start(&scratch, &format!("--store sqlite:{path}"));
    assert!(Path::new(&path).is_file());
    assert!(!Path::new("sqlite:").exists(), "nothing in the working directory");
    service.signal(Signal::Term);
    service.ends_with(0);

    for command in ["plan", "config"] {
        let told = output(&scratch, &[command, "--store", "sqlite:///x/t.db"]);
        assert!(told.contains("/x/t.db") && !told.contains("sqlite:"), "{command}: {told}");
    }
    let told =
        output(&scratch, &["plan", "--store", "postgres://me:s3cret@db/tasks?sslmode=require"]);
    assert!(told.contains("\nStore: postgres://me@db/tasks\n"), "{told}");
    // By itself it is somewhere, too.
    let told = output(&scratch, &["plan"]);
    assert!(told.contains(&format!("\nStore: {}\n", scratch.path("tasks.db"))), "{told}");
    let told = output(&scratch, &["config"]);
    let chosen = format!("by default: {}\n", scratch.path("tasks.db"));
    assert!(told.contains(&chosen) && told.contains("by default: true\n"), "{told}");
}

/// What `sundown` prints with these arguments; its state is kept in the scratch directory.
fn output(scratch: &Scratch, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sundown"));
    command.args(arguments).env("STATE_DIRECTORY", scratch.path(""));
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_command_without_its_program_is_named_by_plan_and_at_the_start() {
    let scratch = Scratch::new();
    let text = scratch.path("text");
    fs::write(&text, "no program").unwrap();
    let file = scratch.path("sundown.toml");
    let commands = format!(
        "[commands.gone]\nrun = [\"/no/such/program\"]\n\
         [commands.text]\nrun = [{text:?}]\n\
         [commands.folder]\nrun = [\"/\"]\n\
         [commands.fine]\nrun = [\"/bin/sh\"]\n"
    );
    fs::write(&file, commands).unwrap();
    let expected = [
        "`commands.gone`: /no/such/program does not exist".to_owned(),
        format!("`commands.text`: {text} is not executable for this user (chmod +x)"),
        "`commands.folder`: / is not a file".to_owned(),
    ];
    for arguments in [&["plan", "--config", &file][..], &["plan", "--json", "--config", &file]] {
        let told = output(&scratch, arguments);
        for what in &expected {
            assert!(told.contains(what.as_str()), "{what}: {told}");
        }
        assert!(!told.contains("commands.fine"), "{told}");
    }
    let mut service = start(&scratch, &format!("--config {file} --store {}", scratch.path("t.db")));
    let warned = logged(&service, "tasks that run this command will fail");
    let what: Vec<&str> = warned.iter().map(|line| line["what"].as_str().unwrap()).collect();
    assert_eq!(what.len(), 3, "{what:?}");
    assert!(expected.iter().all(|expected| what.contains(&expected.as_str())), "{what:?}");
    assert!(warned.iter().all(|line| line["level"] == "WARN"), "{warned:?}");
    service.signal(Signal::Term);
    service.ends_with(0);
}
