//! The standard error, shared by log lines and the live view: a line that is logged goes above what
//! is drawn, and nothing tears.

use std::io::{self, Write as _, stderr};
use std::sync::{Mutex, PoisonError};

/// The one there is.
pub(crate) static SCREEN: Screen = Screen { drawn: Mutex::new(Vec::new()) };

/// What stands at the bottom of the terminal, to be drawn again below whatever is logged.
pub(crate) struct Screen {
    drawn: Mutex<Vec<String>>,
}

impl Screen {
    /// Draws these lines in the place of those drawn before.
    pub(crate) fn draw(&self, lines: Vec<String>) {
        let mut drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        let text = format!("{}{}", erased(&drawn), shown(&lines));
        *drawn = lines;
        // A terminal that is gone is no reason to stop anything.
        let _ = stderr().write_all(text.as_bytes());
    }
}

/// A log line, or a part of one.
impl io::Write for &Screen {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        if drawn.is_empty() {
            stderr().write_all(line)?;
        } else {
            let above = [erased(&drawn).as_bytes(), line, shown(&drawn).as_bytes()].concat();
            stderr().write_all(&above)?;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        stderr().flush()
    }
}

/// Up to the first of these lines, and away with all that follows.
fn erased(lines: &[String]) -> String {
    if lines.is_empty() { String::new() } else { format!("\x1b[{}A\r\x1b[J", lines.len()) }
}

fn shown(lines: &[String]) -> String {
    let width = width();
    let fits =
        |line: &String| line.chars().take(width.saturating_sub(1)).collect::<String>() + "\n";
    lines.iter().map(fits).collect()
}

/// How wide the terminal is. A line must not wrap, or it would be two.
#[cfg(unix)]
fn width() -> usize {
    let size = rustix::termios::tcgetwinsize(stderr());
    size.ok().map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0).unwrap_or(80)
}

#[cfg(not(unix))]
fn width() -> usize {
    80
}
