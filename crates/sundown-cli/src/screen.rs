//! The standard error: one thread writes log lines and the live view to it, and nobody who logs
//! waits for a terminal that is stopped or a pipe that nobody reads.

use std::collections::VecDeque;
use std::env;
use std::io::{self, IsTerminal as _, Write as _, stderr};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// How many bytes may wait to be written; beyond them lines are dropped and counted.
const ROOM: usize = 1 << 20;
/// How long an error is waited for: it may be the last word of a process that ends by force.
const ERROR_PATIENCE: Duration = Duration::from_millis(20);

/// The one there is.
pub(crate) static SCREEN: Screen = Screen::new();

/// What is to be written. The lock is never held over a write.
pub(crate) struct Screen {
    queue: Mutex<Queue>,
    changed: Condvar,
}

struct Queue {
    lines: VecDeque<Vec<u8>>,
    bytes: usize,
    dropped: usize,
    /// What is to stand at the bottom of the terminal, if that has changed.
    view: Option<Vec<String>>,
    has_writer: bool,
    /// Since when the writer has been at it.
    writing: Option<Instant>,
}

/// What the writer takes away at once.
struct Batch {
    lines: VecDeque<Vec<u8>>,
    dropped: usize,
    view: Option<Vec<String>>,
}

impl Screen {
    const fn new() -> Self {
        let queue = Queue {
            lines: VecDeque::new(),
            bytes: 0,
            dropped: 0,
            view: None,
            has_writer: false,
            writing: None,
        };
        Screen { queue: Mutex::new(queue), changed: Condvar::new() }
    }

    /// Starts the thread that writes. Without it every line is written where it is logged.
    pub(crate) fn start(&'static self) -> io::Result<()> {
        let write = || self.write_for_ever(&mut stderr());
        thread::Builder::new().name("stderr".to_owned()).spawn(write)?;
        self.queue().has_writer = true;
        Ok(())
    }

    /// Draws these lines in the place of those drawn before.
    pub(crate) fn draw(&self, lines: Vec<String>) {
        self.queue().view = Some(lines);
        self.changed.notify_all();
    }

    /// Waits until everything is written, or until then.
    pub(crate) fn flush(&self, patience: Duration) {
        let has_more = |queue: &mut Queue| queue.has_writer && !queue.is_idle();
        let waited = self.changed.wait_timeout_while(self.queue(), patience, has_more);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    fn push(&self, line: &[u8]) -> io::Result<()> {
        let mut queue = self.queue();
        if !queue.has_writer {
            drop(queue);
            return stderr().write_all(line);
        }
        queue.push(line);
        drop(queue);
        self.changed.notify_all();
        Ok(())
    }

    fn write_for_ever(&self, terminal: &mut impl io::Write) {
        let mut drawn = Vec::new();
        loop {
            let batch = self.next();
            let text = batch.text(&mut drawn);
            // A terminal that is gone is no reason to stop anything.
            let _ = terminal.write_all(&text);
        }
    }

    /// What there is to write, as soon as there is something.
    fn next(&self) -> Batch {
        let mut queue = self.queue();
        queue.writing = None;
        self.changed.notify_all();
        let has_none = |queue: &mut Queue| queue.is_idle();
        let waited = self.changed.wait_while(queue, has_none);
        let mut queue = waited.unwrap_or_else(PoisonError::into_inner);
        queue.writing = Some(Instant::now());
        queue.bytes = 0;
        Batch {
            lines: std::mem::take(&mut queue.lines),
            dropped: std::mem::take(&mut queue.dropped),
            view: queue.view.take(),
        }
    }

    /// Whether the writer has not come back for so long that waiting for it is no use.
    fn is_stuck(&self) -> bool {
        self.queue().writing.is_some_and(|since| since.elapsed() > ERROR_PATIENCE)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn is_idle(&self) -> bool {
        self.lines.is_empty() && self.dropped == 0 && self.view.is_none() && self.writing.is_none()
    }

    fn push(&mut self, line: &[u8]) {
        if self.bytes + line.len() > ROOM {
            self.dropped += 1;
            return;
        }
        self.bytes += line.len();
        self.lines.push_back(line.to_vec());
    }
}

impl Batch {
    /// What to send to a terminal on which this was drawn.
    fn text(self, drawn: &mut Vec<String>) -> Vec<u8> {
        let mut text = erased(drawn).into_bytes();
        self.lines.iter().for_each(|line| text.extend_from_slice(line));
        if self.dropped > 0 {
            text.extend_from_slice(self.note().as_bytes());
        }
        if let Some(view) = self.view {
            *drawn = view;
        }
        text.extend_from_slice(shown(drawn).as_bytes());
        text
    }

    /// Says how much is missing, in the form of the lines around it.
    fn note(&self) -> String {
        let (count, what) = (self.dropped, "log lines were dropped: nobody read them");
        if self.lines.front().is_some_and(|line| line.starts_with(b"{")) {
            format!("{{\"level\":\"WARN\",\"message\":\"{what}\",\"dropped\":{count}}}\n")
        } else {
            format!("{count} {what}\n")
        }
    }
}

/// A log line on its way.
pub(crate) struct Line {
    is_error: bool,
}

impl<'a> MakeWriter<'a> for &'static Screen {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line { is_error: false }
    }

    fn make_writer_for(&'a self, about: &Metadata<'_>) -> Line {
        Line { is_error: *about.level() == Level::ERROR }
    }
}

impl io::Write for Line {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        SCREEN.push(line)?;
        if self.is_error && !SCREEN.is_stuck() {
            SCREEN.flush(ERROR_PATIENCE);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether the standard error is a terminal on which lines can be replaced.
pub(crate) fn can_redraw() -> bool {
    let is_dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
    stderr().is_terminal() && !is_dumb
}

/// Whether it is to have colours. `NO_COLOR` is about those and nothing else.
pub(crate) fn has_colours() -> bool {
    can_redraw() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Up to the first of these lines, and away with all that follows.
fn erased(lines: &[String]) -> String {
    if lines.is_empty() { String::new() } else { format!("\x1b[{}A\r\x1b[J", lines.len()) }
}

fn shown(lines: &[String]) -> String {
    let width = size().columns;
    let fits =
        |line: &String| line.chars().take(width.saturating_sub(1)).collect::<String>() + "\n";
    lines.iter().map(fits).collect()
}

/// How large the terminal is. A line must not wrap, or it would be two, and the view must not scroll.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    pub(crate) columns: usize,
    pub(crate) rows: usize,
}

const USUAL: Size = Size { columns: 80, rows: 24 };

#[cfg(unix)]
pub(crate) fn size() -> Size {
    let known = |length: u16, usual| if length == 0 { usual } else { usize::from(length) };
    rustix::termios::tcgetwinsize(stderr()).map_or(USUAL, |size| Size {
        columns: known(size.ws_col, USUAL.columns),
        rows: known(size.ws_row, USUAL.rows),
    })
}

#[cfg(not(unix))]
pub(crate) fn size() -> Size {
    USUAL
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    use super::*;

    /// A terminal that takes a write only when it is told to.
    struct Stopped {
        goes_on: Receiver<()>,
        written: SyncSender<String>,
    }

    impl io::Write for Stopped {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.goes_on.recv().map_err(io::Error::other)?;
            self.written.try_send(String::from_utf8_lossy(bytes).into_owned()).expect("room");
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_terminal_that_is_stopped_holds_nobody_and_what_it_missed_is_counted() {
        static STOPPED: Screen = Screen::new();
        let (go_on, goes_on) = sync_channel(8);
        let (written, arrived) = sync_channel(8);
        thread::spawn(move || STOPPED.write_for_ever(&mut Stopped { goes_on, written }));
        STOPPED.queue().has_writer = true;

        STOPPED.push(b"first\n").expect("it is queued");
        STOPPED.draw(vec!["stopping".to_owned()]);
        let began = Instant::now();
        while STOPPED.queue().writing.is_none() {
            thread::yield_now();
        }
        let line = [b'x'; 1024];
        for _ in 0..2 * ROOM / line.len() {
            STOPPED.push(&line).expect("it is queued or counted");
        }
        STOPPED.flush(Duration::from_millis(50));
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());

        for _ in 0..4 {
            go_on.send(()).expect("the writer waits for it");
        }
        STOPPED.flush(Duration::from_secs(5));
        let all: String = arrived.try_iter().collect();
        assert!(all.starts_with("first\n"), "{}", &all[..20]);
        assert!(all.contains(" log lines were dropped: nobody read them\n"), "{}", all.len());
        assert!(all.ends_with("stopping\n"), "the view is below");
    }
}
