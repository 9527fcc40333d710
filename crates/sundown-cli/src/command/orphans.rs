//! Ends what a shim leaves behind that was killed itself: its command's process group, and whoever has
//! left that group but not the directory of the attempt.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::thread::park_timeout;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// How often it looks for those who were just being born.
const LOOKS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(5);

/// Ends them. `group` is the file in which the shim has written the number of the process group.
pub(super) fn end(group: &Path, place: &Path) {
    let id = fs::read_to_string(group).ok().and_then(|id| id.parse().ok());
    // The group 1 would mean everybody.
    if let Some(group) = id.filter(|id| *id > 1).and_then(Pid::from_raw) {
        let _ = kill_process_group(group, Signal::KILL);
    }
    for _ in 0..LOOKS {
        let left = working_at(place);
        if left.is_empty() {
            return;
        }
        for process in left {
            let _ = kill_process(process, Signal::KILL);
        }
        park_timeout(PAUSE);
    }
}

/// Those who were given this directory for their temporary files.
fn working_at(place: &Path) -> Vec<Pid> {
    let mark = [b"TMPDIR=", place.as_os_str().as_bytes()].concat();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = processes.filter_map(|process| {
        let id = process.file_name().to_str()?.parse().ok()?;
        let environment = fs::read(process.path().join("environ")).ok()?;
        let is_marked = environment.split(|byte| *byte == 0).any(|variable| variable == mark);
        is_marked.then_some(id)
    });
    ids.filter_map(Pid::from_raw).collect()
}
