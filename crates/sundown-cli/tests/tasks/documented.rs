//! The commands of "The client" in docs/tasks.md, one after the other on a new store.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use tokio::task::spawn_blocking;

use crate::api::Desk;

const PAGE: &str = include_str!("../../../../docs/tasks.md");

fn commands() -> Vec<&'static str> {
    let (_, part) = PAGE.split_once("\n## The client\n").expect("the page has it");
    let (_, block) = part.split_once("```sh\n").expect("it has commands");
    let (block, _) = block.split_once("```").expect("they end");
    block.lines().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_of_the_client_does_what_the_page_says() {
    let desk = Desk::open("");
    // `sundown` as the page calls it, for a service on a port of its own.
    let program = desk.scratch.path("sundown");
    let binary = env!("CARGO_BIN_EXE_sundown");
    let script = format!("#!/bin/sh\nexec {binary} \"$@\" --url=http://{}\n", desk.at());
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", desk.scratch.0.display());
    let mut said = String::new();
    for line in commands() {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", line]).env("PATH", &path).env_remove("SUNDOWN_WEB_TOKEN");
        let output = spawn_blocking(move || shell.output()).await.unwrap().unwrap();
        assert_eq!(output.status.code(), Some(0), "{line}: {output:?}");
        said = String::from_utf8(output.stdout).unwrap();
        assert!(!said.is_empty(), "{line} says what came of it");
    }
    // The last one discards the first task.
    assert_eq!(said, "{\"id\":\"1\"}\n");
    desk.close();
}
