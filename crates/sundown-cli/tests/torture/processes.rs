//! Commands, found by the mark that each of them carries in its environment.

use std::fs;
use std::time::{Duration, Instant};

/// How long a command may outlive a service that was killed: the kernel tells its shim at once. Those
/// that matter would stay for minutes.
const MOMENT: Duration = Duration::from_secs(5);

/// The variable that holds the mark.
pub(crate) const MARK: &str = "SUNDOWN_TORTURE";

/// Those with this mark that are still there after a moment.
pub(crate) fn orphans(mark: &str) -> Vec<u32> {
    let end = Instant::now() + MOMENT;
    loop {
        let found = marked(mark);
        if found.is_empty() || Instant::now() > end {
            return found;
        }
        pause(Duration::from_millis(10));
    }
}

/// Those with this mark that are there now.
pub(crate) fn marked(mark: &str) -> Vec<u32> {
    let wanted = format!("{MARK}={mark}");
    let is_marked = |process: &u32| {
        let environment = fs::read(format!("/proc/{process}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes())
    };
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.filter(is_marked).collect()
}

/// On a thread of its own.
pub(crate) fn pause(time: Duration) {
    let end = Instant::now() + time;
    while let Some(left) = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    {
        std::thread::park_timeout(left);
    }
}
