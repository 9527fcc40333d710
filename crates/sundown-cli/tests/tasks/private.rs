//! What commands and other users can see of the service.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::json;
use sundown_drill::process::{Launch, Process, Signal};

use crate::api::end_of;
use crate::service::{Scratch, serving};

const NOBODY: &str = "65534";

/// The same as another user, if this one is root; root may see everything.
fn unprivileged(scratch: &Scratch, configuration: &str) -> Launch {
    let configured = scratch.path("sundown.toml");
    fs::write(&configured, configuration).unwrap();
    fs::set_permissions(&scratch.0, Permissions::from_mode(0o777)).unwrap();
    let binary = env!("CARGO_BIN_EXE_sundown");
    let launch = if rustix::process::geteuid().is_root() {
        let user = ["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", binary];
        Process::new("setpriv").args(user)
    } else {
        Process::new(binary)
    };
    let serve = "serve --demo --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0";
    launch
        .args(serve.split(' '))
        .args(["--temp-directory", &scratch.path("tmp"), "--store", &scratch.path("a/b/tasks.db")])
        .args(["--config", &configured])
        .env_remove("KUBERNETES_SERVICE_HOST")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_cannot_read_the_tokens_of_its_service() {
    let scratch = Scratch::new();
    // Its shim is its parent; whose parent is the service.
    let look = "read -r _ _ _ service _ < /proc/$PPID/stat; \
         cat /proc/$service/environ; cat /proc/[0-9]*/environ 2>/dev/null | tr '\\\\0' '\\\\n' \
         | grep -aE 'hush-hush|TASK_ID='; grep NoNewPrivs /proc/self/status";
    let commands = format!("[commands.look]\nrun = [\"/bin/sh\", \"-c\", \"{look}\"]\n");
    let launch = unprivileged(&scratch, &commands);
    let launch = launch.env("SUNDOWN_ADMIN_TOKEN", "hush-hush-admin-token");
    let mut service = serving(launch.spawn().unwrap());
    let task = json!({ "kind": "command", "input": { "command": "look" } });
    let ended = end_of(service.web, &task, "succeeded").await;
    let seen = ended["output"].to_string();
    assert!(seen.contains("TASK_ID=1"), "it sees processes of its user: {seen}");
    assert!(!seen.contains("hush-hush"), "{seen}");
    assert!(seen.contains("Permission denied"), "{seen}");
    assert!(seen.contains("NoNewPrivs:\\t1"), "{seen}");
    service.signal(Signal::Term);
    service.ends_with(0);
}

fn mode(path: &str) -> u32 {
    fs::metadata(path).unwrap_or_else(|error| panic!("{path}: {error}")).permissions().mode()
        & 0o777
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_is_private_whatever_the_umask() {
    let scratch = Scratch::new();
    let store = scratch.path("a/b/tasks.db");
    let run = |scratch: &Scratch| {
        let serve = "umask 000; exec \"$0\" serve --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0 \
             --temp-directory \"$1\" --store \"$2\"";
        Process::new("/bin/sh")
            .args(["-c", serve, env!("CARGO_BIN_EXE_sundown"), &scratch.path("tmp"), &store])
            .env_remove("KUBERNETES_SERVICE_HOST")
    };
    let mut service = serving(run(&scratch).spawn().unwrap());
    for directory in ["a", "a/b", "a/b/tasks.db-owners"] {
        assert_eq!(mode(&scratch.path(directory)), 0o700, "{directory}");
    }
    for file in ["a/b/tasks.db", "a/b/tasks.db-wal", "a/b/tasks.db-shm"] {
        assert_eq!(mode(&scratch.path(file)), 0o600, "{file}");
    }
    for owner in fs::read_dir(scratch.path("a/b/tasks.db-owners")).unwrap() {
        assert_eq!(mode(&owner.unwrap().path().display().to_string()), 0o600);
    }
    service.signal(Signal::Term);
    service.ends_with(0);

    // One from before, which others could read.
    fs::set_permissions(Path::new(&store), Permissions::from_mode(0o644)).unwrap();
    let mut service = serving(run(&scratch).spawn().unwrap());
    assert_eq!(mode(&store), 0o600);
    service.signal(Signal::Term);
    let exit = service.ends_with(0);
    let told = exit.line(|line| line.contains("it is private now"));
    assert!(told.is_some_and(|line| line.text.contains("644")), "{}", exit.stderr);
}
