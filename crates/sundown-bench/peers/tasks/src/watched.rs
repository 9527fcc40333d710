//! A process of this bench that runs tasks, watched: what it tells, line by line, and when.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::replica::{Side, WORD};

/// Longer than a process that was told to stop within 5 s may take.
const GONE: Duration = Duration::from_secs(90);
/// How many lines of a replica may wait to be read.
const LINES: usize = 1024;

/// What a process has told.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    /// When a task began, and how many attempts it had lost by then.
    pub(crate) begun: BTreeMap<u32, (Instant, u32)>,
    pub(crate) ended: BTreeSet<u32>,
}

pub(crate) struct Replica {
    child: Child,
    told: Receiver<(Instant, String)>,
    pub(crate) lines: Lines,
}

impl Replica {
    pub(crate) fn start(side: Side, turn: &str, place: &str) -> anyhow::Result<Self> {
        let own = std::env::current_exe().context("cannot find this program")?;
        let mut child = Command::new(own)
            .args([WORD, side.name(), turn, place])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start a replica")?;
        let lines = BufReader::new(child.stdout.take().context("its output is piped")?).lines();
        let (tell, told) = sync_channel(LINES);
        thread::Builder::new().spawn(move || {
            for line in lines.map_while(Result::ok) {
                if tell.send((Instant::now(), line)).is_err() {
                    break;
                }
            }
        })?;
        Ok(Replica { child, told, lines: Lines::default() })
    }

    /// Listens until it is so, or the time is over, or it is gone. Answers whether it is so.
    pub(crate) fn wait(
        &mut self,
        patience: Duration,
        is_so: impl Fn(&Lines) -> bool,
    ) -> anyhow::Result<bool> {
        let end = Instant::now() + patience;
        while !is_so(&self.lines) {
            let left = end.saturating_duration_since(Instant::now());
            let Ok((at, line)) = self.told.recv_timeout(left) else { return Ok(false) };
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["begun", number, lost] => {
                    self.lines.begun.insert(number.parse()?, (at, lost.parse()?));
                }
                ["ended", number] => {
                    self.lines.ended.insert(number.parse()?);
                }
                _ => {}
            }
        }
        Ok(true)
    }

    pub(crate) fn is_there(&mut self) -> anyhow::Result<bool> {
        let status = self.child.try_wait().context("cannot see whether a replica is there")?;
        Ok(status.is_none())
    }

    /// Tells it to stop, waits until it is gone, and answers what had ended.
    pub(crate) fn stop(mut self) -> anyhow::Result<BTreeSet<u32>> {
        drop(self.child.stdin.take());
        self.wait(GONE, |_| false)?;
        if self.is_there()? {
            self.kill_now()?;
        }
        Ok(self.lines.ended)
    }

    /// SIGKILL; answers when.
    pub(crate) fn kill(mut self) -> anyhow::Result<Instant> {
        self.kill_now()
    }

    fn kill_now(&mut self) -> anyhow::Result<Instant> {
        let at = Instant::now();
        self.child.kill().context("cannot end a replica")?;
        self.child.wait().context("cannot wait for a replica")?;
        Ok(at)
    }
}
