//! The process group of a child: who is in it, how it dies, and who ends it if we are killed first.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, WaitIdStatus};

/// A child that leads a process group of its own.
///
/// Valid until the child is reaped: its process id, and so the group's, is not given away before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Group {
    leader: Pid,
}

impl Group {
    pub(super) fn led_by(child: &Child) -> Self {
        Self { leader: Pid::from_child(child) }
    }

    pub(super) fn signal_leader(self, signal: Signal) -> io::Result<()> {
        Ok(rustix::process::kill_process(self.leader, signal)?)
    }

    pub(super) fn signal_all(self, signal: Signal) -> io::Result<()> {
        Ok(rustix::process::kill_process_group(self.leader, signal)?)
    }

    /// Blocks until the leader has ended, without reaping it.
    pub(super) fn wait_for_end(self) {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        let wait = || rustix::process::waitid(WaitId::Pid(self.leader), options);
        while matches!(wait(), Err(Errno::INTR)) {}
    }

    /// How the leader ended, without reaping it; `None` while it runs.
    pub(super) fn ending(self) -> Option<WaitIdStatus> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        rustix::process::waitid(WaitId::Pid(self.leader), options).ok().flatten()
    }

    /// The other processes of the group that still run. Known on Linux only; empty elsewhere.
    pub(super) fn others(self) -> Vec<u32> {
        let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
        let group = self.leader.as_raw_pid();
        entries
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
            .filter(|id| i64::from(*id) != i64::from(group))
            .filter(|id| {
                std::fs::read_to_string(format!("/proc/{id}/stat"))
                    .is_ok_and(|stat| runs_in_group(&stat, group))
            })
            .collect()
    }
}

/// Reads a line of `/proc/…/stat`: `id (name) state parent group …`; the name may hold anything.
fn runs_in_group(stat: &str, group: i32) -> bool {
    let Some((_, rest)) = stat.rsplit_once(')') else { return false };
    let mut fields = rest.split_whitespace();
    let runs = !matches!(fields.next(), None | Some("Z" | "X"));
    runs && fields.nth(1) == Some(group.to_string().as_str())
}

/// Kills the group when this very process is gone, killed or interrupted, without having run a
/// single destructor: a shell that sees the end of its input.
#[derive(Debug)]
pub(super) struct Guard {
    shell: Child,
}

impl Guard {
    pub(super) fn watch(group: Group) -> io::Result<Self> {
        let shell = Command::new("/bin/sh")
            .args(["-c", "read -r _; kill -s KILL -- \"-$0\""])
            .arg(group.leader.to_string())
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self { shell })
    }
}

impl Drop for Guard {
    /// Ends the shell before its input ends, so that it kills nobody.
    fn drop(&mut self) {
        // Both fail only if the shell is gone already.
        let _ = self.shell.kill();
        let input = self.shell.stdin.take();
        let _ = self.shell.wait();
        drop(input);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_told_by_their_group_and_zombies_do_not_count() {
        assert!(runs_in_group("12 (sleep) S 1 77 77 0 -1", 77));
        assert!(runs_in_group("12 (a ) Z 1 9) R 1 77 77 0 -1", 77), "a name is not parsed");
        assert!(!runs_in_group("12 (sleep) S 1 78 77 0 -1", 77), "another group");
        assert!(!runs_in_group("12 (sleep) Z 1 77 77 0 -1", 77), "a zombie");
        assert!(!runs_in_group("", 77), "gone while it was read");
    }
}
