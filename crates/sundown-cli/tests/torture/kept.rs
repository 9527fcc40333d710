//! Evidence that was kept is judged again, by the same judge.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;

use crate::evidence::{Evidence, Folder, LastWord, RECORD};
use crate::judge::{Crime, judge};
use crate::ledger::{Ledger, Promise, Trouble};
use crate::stream::Heard;
use crate::trial::{say, size, summary};

const SECOND: Duration = Duration::from_secs(1);

/// What a run leaves in files: a command that failed once, and one that nobody wanted any more.
fn leave(folder: &Folder) {
    let task = |id: &str, state: &str, key: &str| {
        json!({
            "id": id, "kind": "command", "state": state, "priority": 0, "attempt": 2,
            "failures": 1, "interruptions": 0, "max_attempts": 5, "is_unwanted": false,
            "input": { "command": "flaky" }, "output": null, "error": "not yet",
            "checkpoint": null, "key": key, "last_event": 1, "created_at": 1000,
            "run_at": 1000, "started_at": 3000, "ended_at": 4000,
        })
    };
    let mut done = task("7", "succeeded", "a");
    done["output"] = json!({ "exit_code": 0, "stdout": "by 2\n" });
    let data = json!({ "at": 2000, "attempt": 1, "data": "not yet" }).to_string();
    let failed = vec![Heard { id: Some(1), name: "failed".to_owned(), data }];
    folder.keep(&LastWord {
        tasks: vec![done, task("8", "cancelled", "b")],
        events: BTreeMap::from([(7, failed.clone()), (8, failed)]),
    });
    let lines = [7, 8]
        .map(|task| format!("start {task} 1 1500000000 life 0\nfail {task} 1 1900000000 life 0\n"));
    let end = "start 7 2 3500000000 life 0\nfinish 7 2 3900000000 life 0\n";
    fs::write(folder.0.join(RECORD), lines.concat() + end).unwrap();
}

fn promises() -> Vec<Promise> {
    vec![
        Promise::Batch { keys: vec!["a".to_owned(), "b".to_owned()] },
        Promise::Ack { task: 7, key: "a".to_owned() },
        Promise::Ack { task: 8, key: "b".to_owned() },
        Promise::Later { key: "a".to_owned(), not_before: SECOND },
        Promise::Done { task: 7, at: 5 * SECOND },
        Promise::Wish { task: 8 },
        Promise::Stopping { task: 8, at: 3 * SECOND },
        Promise::Cancelled { task: 8, at: 4 * SECOND },
    ]
}

fn troubles() -> Vec<Trouble> {
    let life = || "life".to_owned();
    vec![
        Trouble::Frozen { life: life(), from: SECOND, to: 2 * SECOND },
        Trouble::Store { from: SECOND, to: 2 * SECOND },
        Trouble::Told { life: life(), at: 5 * SECOND },
        Trouble::Ended { life: life(), at: 6 * SECOND },
        Trouble::Orphan { process: 77 },
    ]
}

#[test]
fn what_is_written_down_is_read_again_and_judged() {
    let folder = Folder::new();
    leave(&folder);
    assert_eq!(judge_at(&folder.0), [(Crime::Lost, 8)], "nobody is known to have wished it");
    let ledger = Ledger::create(&folder.0.join(crate::evidence::LEDGER));
    let siege = Ledger::create(&folder.0.join(crate::evidence::SIEGE));
    promises().iter().for_each(|promise| ledger.promise(promise));
    troubles().iter().for_each(|trouble| siege.trouble(trouble));
    let read = Evidence::read(&folder.0);
    assert_eq!((read.promises, read.troubles), (promises(), troubles()));
    assert_eq!(judge_at(&folder.0), [(Crime::Orphan, 77)]);
}

fn judge_at(folder: &Path) -> Vec<(Crime, i64)> {
    let findings = judge(&Evidence::read(folder));
    findings.iter().map(|finding| (finding.crime, finding.of)).collect()
}

/// `cargo xtask torture judge DIR` runs this one.
#[test]
fn kept_evidence() {
    let Some(path) = env::var_os("XTASK_EVIDENCE").map(PathBuf::from) else { return };
    let evidence = Evidence::read(&path);
    let findings = judge(&evidence);
    println!("torture: {}: {}; {}", path.display(), size(&evidence), summary(&findings));
    say(&findings);
    assert!(findings.is_empty(), "{}", summary(&findings));
}
