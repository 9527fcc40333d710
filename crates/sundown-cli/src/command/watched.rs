//! A shim that runs: its words, and its end, which is seen to whatever becomes of the attempt.

use std::process::ExitStatus;

use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open, pidfd_send_signal};
use sundown::BoxError;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::net::unix::OwnedReadHalf;
use tokio::process::Child;
use tokio::task::spawn_blocking;

use super::word::{LONGEST, Word};
use super::{Workplace, orphans};

/// How a run ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The program ended with this code, and nothing of it is left.
    Code(i32),
    /// It did not begin, because its lease had run out.
    TooLate,
    /// It could not begin.
    Failed(String),
    /// Somebody killed the shim, and what came of the program nobody knows.
    CutOff(ExitStatus),
}

/// A shim and whatever is below it. Dropped before all that has ended, it ends it.
pub(super) struct Watched {
    left: Option<Left>,
    words: BufReader<OwnedReadHalf>,
}

/// What may have to be ended.
struct Left {
    shim: Child,
    group: Option<Pid>,
    /// It must not be removed under those who work in it.
    place: Box<dyn Workplace>,
}

impl Left {
    /// At once, so that nothing of it begins or goes on when the task is given to somebody else: the
    /// command dies with its shim, and does not begin without it.
    fn cut(&mut self) {
        match self.group {
            Some(group) => drop(kill_process_group(group, Signal::KILL)),
            None => drop(self.shim.start_kill()),
        }
    }

    fn end(mut self) {
        orphans::end(&mut self.shim, self.group, self.place.path());
    }
}

impl Watched {
    pub(super) fn new(shim: Child, words: OwnedReadHalf, place: Box<dyn Workplace>) -> Self {
        let left = Some(Left { shim, group: None, place });
        Watched { left, words: BufReader::new(words) }
    }

    /// Wakes the shim up, should somebody have stopped it.
    pub(super) fn waker(&self) -> impl FnOnce() + use<> {
        let id = self.left.as_ref().and_then(|left| left.shim.id());
        let shim = id.and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        // It stands for this process only, whoever gets its number next.
        let shim = shim.and_then(|shim| pidfd_open(shim, PidfdFlags::empty()).ok());
        move || {
            if let Some(shim) = shim {
                let _ = pidfd_send_signal(shim, Signal::CONT);
            }
        }
    }

    /// Waits for the end of the shim. If that was one by force, it ends what the shim watched over.
    pub(super) async fn end(&mut self) -> Result<End, BoxError> {
        let left = self.left.as_mut().ok_or("the command was ended before")?;
        let mut end = None;
        let mut line = Vec::new();
        // A shim that ends without having read what it was told last leaves an error: an end, too.
        while let Ok(1..) = (&mut self.words).take(LONGEST).read_until(b'\n', &mut line).await {
            match std::str::from_utf8(&line).ok().and_then(Word::parse) {
                Some(Word::Begun(group)) if left.group.is_none() => left.group = Some(group),
                Some(Word::TooLate) => end = Some(End::TooLate),
                Some(Word::Failed(why)) => end = Some(End::Failed(why)),
                Some(Word::Ended(code)) => end = Some(End::Code(code)),
                // Cut in the middle, or nothing that a shim says: it is not believed any more.
                Some(Word::Begun(_)) | None => {
                    end = None;
                    let _ = left.shim.start_kill();
                    break;
                }
            }
            line.clear();
        }
        let status = left.shim.wait().await?;
        match end {
            Some(end) => {
                self.left = None;
                Ok(end)
            }
            None => {
                self.finish().await;
                Ok(End::CutOff(status))
            }
        }
    }

    /// Ends whatever is left.
    ///
    /// # Cancel safety
    ///
    /// Dropped in the middle, that goes on.
    pub(super) async fn finish(&mut self) {
        if let Some(left) = self.left.take() {
            // A runtime that stops runs nothing any more: then the shim sees to it.
            let _ = spawn_blocking(|| left.end()).await;
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some(mut left) = self.left.take() {
            left.cut();
            // On a thread of its own, because the runtime may be stopping.
            let ending = std::thread::Builder::new().name("command end".to_owned());
            let _ = ending.spawn(|| left.end());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;
    use std::path::{Path, PathBuf};
    use std::process::Stdio;
    use std::time::Duration;

    use tokio::net::UnixStream;
    use tokio::process::Command;
    use tokio::time::timeout;

    use super::*;

    struct Nowhere(PathBuf);

    impl Workplace for Nowhere {
        fn path(&self) -> &Path {
            &self.0
        }
    }

    /// How it ends to watch a shim that says this, and then stays.
    async fn end_of(words: &str) -> Result<End, BoxError> {
        let (ours, theirs) = UnixStream::pair()?;
        let theirs = OwnedFd::from(theirs.into_std()?);
        let mut shim = Command::new("/bin/sh");
        shim.args(["-c", "printf \"$0\"; exec sleep 600", words]).stdout(Stdio::from(theirs));
        let shim = shim.kill_on_drop(true).spawn()?;
        let place = Box::new(Nowhere("/nonexistent/place".into()));
        let mut watched = Watched::new(shim, ours.into_split().0, place);
        timeout(Duration::from_secs(60), watched.end()).await?
    }

    #[tokio::test]
    async fn a_shim_that_begins_as_no_process_group_is_ended_and_not_believed() {
        for words in [
            r"begun -1\n",
            r"begun 1\n",
            r"begun 0\nended 0\n",
            r"ended 0\nbegun -7\n",
            r"begun 999999999\nbegun 999999998\n",
            r"nonsense\n",
            r"\377\n",
        ] {
            let end = end_of(words).await.expect(words);
            assert!(matches!(end, End::CutOff(_)), "{words}: {end:?}");
        }
    }
}
