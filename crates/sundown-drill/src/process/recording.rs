//! What a process prints and when it ends, recorded by threads and awaited with a timeout.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Output beyond this many bytes per stream is read, so that the process goes on, but not kept.
const KEPT_BYTES: usize = 16 << 20;
/// A longer line is cut into several.
const LINE_BYTES: u64 = 1 << 20;
/// An error shows at most this many lines, the last ones.
const SHOWN_LINES: usize = 200;

/// Which of its outputs a process wrote to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// File descriptor 1.
    Stdout,
    /// File descriptor 2.
    Stderr,
}

/// One line a process printed.
#[derive(Clone, Debug)]
pub struct Line {
    /// When the line arrived here.
    pub at: Instant,
    /// Where it was written.
    pub stream: Stream,
    /// The line without its line break; bytes that are not UTF-8 are replaced.
    pub text: String,
}

/// Shared between the process's owner, one reader thread per captured stream, and the thread that
/// sees the end.
#[derive(Debug)]
pub(super) struct Recording {
    state: Mutex<Recorded>,
    changed: Condvar,
}

/// All that is known so far.
#[derive(Debug, Default)]
pub(super) struct Recorded {
    pub(super) lines: Vec<Line>,
    pub(super) stdout: String,
    pub(super) stderr: String,
    /// Captured streams that have not come to their end.
    pub(super) open_streams: usize,
    /// When the process ended.
    pub(super) ended: Option<Instant>,
}

impl Recording {
    pub(super) fn new(open_streams: usize) -> Self {
        let state = Mutex::new(Recorded { open_streams, ..Recorded::default() });
        Self { state, changed: Condvar::new() }
    }

    /// What is known now. A predicate that panicked under the lock has changed nothing.
    pub(super) fn lock(&self) -> MutexGuard<'_, Recorded> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Recorded)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    /// Waits until `look` finds what it looks for; `None` when the deadline comes first.
    pub(super) fn wait_until<T>(
        &self,
        deadline: Instant,
        mut look: impl FnMut(&Recorded) -> Option<T>,
    ) -> Option<T> {
        let mut state = self.lock();
        loop {
            if let Some(found) = look(&state) {
                return Some(found);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Reads a stream to its end, line by line.
    pub(super) fn read(&self, stream: Stream, source: impl Read) {
        let mut source = BufReader::new(source);
        let mut bytes = Vec::new();
        loop {
            bytes.clear();
            match source.by_ref().take(LINE_BYTES).read_until(b'\n', &mut bytes) {
                Ok(0) | Err(_) => break,
                Ok(_) => {
                    let at = Instant::now();
                    self.change(|state| state.add(at, stream, &String::from_utf8_lossy(&bytes)));
                }
            }
        }
        self.change(|state| state.open_streams -= 1);
    }

    /// Notes that the process has ended.
    pub(super) fn end(&self, at: Instant) {
        self.change(|state| state.ended = Some(at));
    }
}

impl Recorded {
    fn add(&mut self, at: Instant, stream: Stream, text: &str) {
        let whole = match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        if whole.len() + text.len() > KEPT_BYTES {
            return;
        }
        whole.push_str(text);
        self.lines.push(Line { at, stream, text: text.trim_end_matches(['\n', '\r']).to_owned() });
    }

    /// The output as an error shows it: every line with the time since the start.
    pub(super) fn render(&self, started: Instant) -> String {
        if self.lines.is_empty() {
            return "  (it printed nothing that was captured)".to_owned();
        }
        let mut text = String::new();
        let hidden = self.lines.len().saturating_sub(SHOWN_LINES);
        if hidden > 0 {
            let _ = writeln!(text, "  ({hidden} earlier lines)");
        }
        for line in &self.lines[hidden..] {
            let stream = match line.stream {
                Stream::Stdout => "out",
                Stream::Stderr => "err",
            };
            let after = line.at.saturating_duration_since(started).as_secs_f64();
            let _ = writeln!(text, "  {after:8.3} s {stream}| {}", line.text);
        }
        text.truncate(text.trim_end().len());
        text
    }
}

/// The instant a timeout that starts now runs out; a century stands for "never".
pub(super) fn deadline_after(timeout: Duration) -> Instant {
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 86_400);
    Instant::now() + timeout.min(CENTURY)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded(text: &[u8]) -> Recording {
        let recording = Recording::new(1);
        recording.read(Stream::Stdout, text);
        recording
    }

    #[test]
    fn a_last_line_without_a_break_is_recorded_and_not_completed() {
        let recording = recorded(b"one\r\ntwo");
        let state = recording.lock();
        let lines: Vec<_> = state.lines.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(lines, ["one", "two"]);
        assert_eq!(state.stdout, "one\r\ntwo");
        assert_eq!(state.open_streams, 0);
    }

    #[test]
    fn endless_output_is_read_to_its_end_and_kept_within_the_bound() {
        let recording = recorded(&vec![b'x'; KEPT_BYTES + 3 * (1 << 20)]);
        let state = recording.lock();
        assert_eq!(state.stdout.len(), KEPT_BYTES);
        assert_eq!(state.open_streams, 0);
    }

    #[test]
    fn an_error_shows_the_last_lines_and_says_how_many_are_missing() {
        let text: String = (0..SHOWN_LINES + 5).map(|n| format!("line {n}\n")).collect();
        let shown = recorded(text.as_bytes()).lock().render(Instant::now());
        assert!(shown.starts_with("  (5 earlier lines)\n"), "{shown}");
        assert!(shown.ends_with(&format!("out| line {}", SHOWN_LINES + 4)), "{shown}");
    }
}
