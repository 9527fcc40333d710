//! Timelines as text and as SVG: rows of bars on one axis. What the rows mean is the caller's
//! affair, so that a process and a fleet draw with the same hand.

use std::borrow::Cow;
use std::fmt;
use std::fmt::Write as _;
use std::io::IsTerminal;
use std::time::Duration;

/// How wide the bars of the text form are, in characters: as a rule, and where space is short.
const COLUMNS: usize = 48;
const FEWEST_COLUMNS: usize = 8;

/// Rows of bars on one axis of time.
#[derive(Debug, Clone, Default)]
pub struct Timeline {
    title: String,
    total: Duration,
    rows: Vec<Row>,
    marks: Vec<(Duration, String)>,
}

/// One row: a group's frame, or the bar of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// What stands in front of it.
    pub label: String,
    /// Whether the rows behind it, up to the next group, belong to it.
    pub is_group: bool,
    /// From when to when, if it took place.
    pub span: Option<(Duration, Duration)>,
    /// How it went.
    pub tone: Tone,
    /// What stands behind it.
    pub note: String,
}

/// How it went, as a colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Well.
    Good,
    /// Well in the end.
    Saved,
    /// Not well.
    Bad,
    /// Not over yet.
    Open,
    /// Neither here nor there.
    Quiet,
}

impl Timeline {
    /// An empty one that reaches from zero to `total`. Control characters of all its texts, line breaks
    /// among them, are drawn as `\u{fffd}`: names and errors come from others.
    pub fn new(title: impl Into<String>, total: Duration) -> Self {
        Timeline { title: printable(&title.into()), total, rows: Vec::new(), marks: Vec::new() }
    }

    /// Adds a row below the others.
    pub fn push(&mut self, mut row: Row) {
        row.label = printable(&row.label);
        row.note = printable(&row.note);
        self.rows.push(row);
    }

    /// Marks an instant that concerns all rows.
    pub fn mark(&mut self, at: Duration, what: impl Into<String>) {
        self.marks.push((at, printable(&what.into())));
    }

    /// Where an instant lies on an axis of this width; a bar is never thinner than `least`.
    fn place(&self, (start, end): (Duration, Duration), width: f64, least: f64) -> (f64, f64) {
        let scale = |at: Duration| {
            let share = at.as_secs_f64() / self.total.as_secs_f64().max(f64::MIN_POSITIVE);
            share.min(1.0) * width
        };
        let from = scale(start).min(width - least);
        (from, (scale(end) - from).max(least))
    }

    fn bar(&self, row: &Row, span: (Duration, Duration), columns: usize) -> String {
        let width = f64::from(u32::try_from(columns).unwrap_or(u32::MAX));
        let (from, length) = self.place(span, width, 1.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0..=columns")]
        let (from, length) = (from.floor() as usize, length.round().max(1.0) as usize);
        let length = length.min(columns - from.min(columns - 1));
        let drawn = match (row.is_group, row.tone) {
            (true, _) if length < 2 => "│".to_owned(),
            (true, _) => format!("├{}┤", "─".repeat(length - 2)),
            (false, Tone::Good | Tone::Saved | Tone::Quiet) => "█".repeat(length),
            (false, Tone::Bad) => "▓".repeat(length),
            (false, Tone::Open) => "░".repeat(length),
        };
        format!("{}{drawn}", " ".repeat(from))
    }

    /// The timeline as a picture that needs nothing else: no script, no font, no style sheet.
    pub fn to_svg(&self) -> String {
        const ROW: usize = 22;
        const WIDTH: f64 = 560.0;
        let height = (self.rows.len() + 3) * ROW;
        let left = 40.0 + text_width(self.rows.iter().map(|row| row.label.as_str()));
        let notes = text_width(self.rows.iter().map(|row| row.note.as_str()));
        // A bar's note stands behind its duration.
        let width = (left + WIDTH + 110.0 + notes).max(20.0 + text_width([self.title.as_str()]));
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height}\" \
             font-family=\"ui-monospace, monospace\" font-size=\"13\">\n\
             <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
             <text x=\"10\" y=\"18\" font-weight=\"bold\">{}</text>\n",
            escape(&self.title)
        );
        for (index, row) in self.rows.iter().enumerate() {
            let y = (index + 2) * ROW;
            let (indent, weight) = if row.is_group { (10, "bold") } else { (26, "normal") };
            let text = |x: f64, text: &str| {
                format!("<text x=\"{x:.1}\" y=\"{y}\">{}</text>\n", escape(text))
            };
            let _ = writeln!(
                svg,
                "<text x=\"{indent}\" y=\"{y}\" font-weight=\"{weight}\">{}</text>",
                escape(&row.label)
            );
            let Some(span) = row.span else {
                svg.push_str(&text(left, &row.note));
                continue;
            };
            let (from, length) = self.place(span, WIDTH, 2.0);
            let (top, bar) = if row.is_group { (y - 7, 4) } else { (y - 12, 14) };
            let _ = writeln!(
                svg,
                "<rect x=\"{:.1}\" y=\"{top}\" width=\"{length:.1}\" height=\"{bar}\" \
                 fill=\"{}\"><title>{}</title></rect>",
                left + from,
                colour(row.tone),
                escape(&took(span))
            );
            let note = format!("{} {}", took(span), row.note);
            svg.push_str(&text(left + WIDTH + 12.0, note.trim_end()));
        }
        for (at, what) in &self.marks {
            let (x, _) = self.place((*at, *at), WIDTH, 0.0);
            let _ = writeln!(
                svg,
                "<line x1=\"{0:.1}\" x2=\"{0:.1}\" y1=\"{ROW}\" y2=\"{1}\" stroke=\"#b3261e\" \
                 stroke-dasharray=\"3\"/>\n<text x=\"{0:.1}\" y=\"{2}\">{3}</text>",
                left + x,
                height - ROW,
                height - 6,
                escape(what)
            );
        }
        svg.push_str("</svg>\n");
        svg
    }
}

/// `{timeline:80}` fits it into 80 columns: first the bars get shorter, then notes are cut.
impl fmt::Display for Timeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let longest = |texts: &mut dyn Iterator<Item = usize>| texts.max().unwrap_or(0);
        let width = longest(&mut self.rows.iter().map(|row| row.label.chars().count() + 2));
        let notes = longest(&mut self.rows.iter().map(|row| row.note.chars().count()));
        // Two blanks on each side of the duration, which has nine characters, and two behind the bar.
        let free = f.width().map(|all| all.saturating_sub(width + 13 + 2 + notes));
        let columns = free.map_or(COLUMNS, |free| free.clamp(FEWEST_COLUMNS, COLUMNS));
        for (index, row) in self.rows.iter().enumerate() {
            let label = if row.is_group { row.label.clone() } else { format!("  {}", row.label) };
            let (took, bar) = match row.span {
                Some(span) => (took(span), self.bar(row, span, columns)),
                None => ("–".to_owned(), String::new()),
            };
            let line = format!("{label:<width$}  {took:>9}  {bar:<columns$}  {}", row.note);
            let line = fitted(line.trim_end(), f.width());
            write!(f, "{}{line}", if index == 0 { "" } else { "\n" })?;
        }
        for (at, what) in &self.marks {
            let line = format!("{:<width$}  {:>9}  {what}", "", seconds(*at));
            write!(f, "\n{}", fitted(&line, f.width()))?;
        }
        Ok(())
    }
}

/// A line without what does not fit into so many columns; that something is missing is shown.
fn fitted(line: &str, columns: Option<usize>) -> Cow<'_, str> {
    match columns {
        Some(columns) if line.chars().count() > columns => {
            let kept: String = line.chars().take(columns.saturating_sub(1)).collect();
            (kept + "…").into()
        }
        Some(_) | None => line.into(),
    }
}

/// How many columns the terminal on this stream has; none where it is no terminal, or does not say.
#[cfg(unix)]
pub fn terminal_columns(stream: &(impl IsTerminal + std::os::fd::AsFd)) -> Option<usize> {
    let size = stream.is_terminal().then(|| rustix::termios::tcgetwinsize(stream).ok())??;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

/// None: only Unix says how wide a terminal is.
#[cfg(not(unix))]
pub fn terminal_columns(_: &impl IsTerminal) -> Option<usize> {
    None
}

fn took((start, end): (Duration, Duration)) -> String {
    seconds(end.saturating_sub(start))
}

/// A duration as a person reads it: `350 ms`, `1.84 s`, `12 min 5 s`.
pub fn seconds(time: Duration) -> String {
    let (minutes, rest) = (time.as_secs() / 60, time.as_secs() % 60);
    if minutes >= 2 && rest == 0 {
        format!("{minutes} min")
    } else if minutes >= 2 {
        format!("{minutes} min {rest} s")
    } else if time >= Duration::from_secs(1) && time.subsec_millis() == 0 {
        format!("{} s", time.as_secs())
    } else if time >= Duration::from_secs(1) {
        format!("{:.2} s", time.as_secs_f64())
    } else {
        format!("{} ms", time.as_millis())
    }
}

fn colour(tone: Tone) -> &'static str {
    match tone {
        Tone::Good => "#2e7d32",
        Tone::Saved => "#f9a825",
        Tone::Bad => "#b3261e",
        Tone::Open => "#90a4ae",
        Tone::Quiet => "#b0bec5",
    }
}

/// How wide the widest of these is, in units of the picture: 13 points of a monospaced font.
fn text_width<'a>(texts: impl IntoIterator<Item = &'a str>) -> f64 {
    let longest = texts.into_iter().map(|text| text.chars().count()).max().unwrap_or(0);
    f64::from(u32::try_from(longest).unwrap_or(u32::MAX)) * 8.0
}

/// Text as it may stand in a line of a terminal.
pub(crate) fn printable(text: &str) -> String {
    text.replace(char::is_control, "\u{fffd}")
}

/// Text that may stand inside an element of SVG or HTML: what XML cannot hold is replaced.
pub(crate) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            character if character.is_control() => safe.push(' '),
            character => safe.push(character),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeline_fits_the_columns_it_is_given() {
        let mut timeline = Timeline::new("a stop", Duration::from_secs(10));
        let row = |label: &str, is_group, note: &str| Row {
            label: label.to_owned(),
            is_group,
            span: Some((Duration::from_secs(1), Duration::from_secs(9))),
            tone: Tone::Good,
            note: note.to_owned(),
        };
        timeline.push(row("drain", true, ""));
        timeline.push(row("tasks hand-back", false, "needs 500 ms at least"));
        timeline.mark(Duration::from_secs(2), "second signal");
        let widest = |text: &str| text.lines().map(|line| line.chars().count()).max().unwrap_or(0);
        let without_width = timeline.to_string();
        assert!(widest(&without_width) > 80, "{without_width}");
        assert_eq!(format!("{timeline:120}"), without_width, "there is room for all of it");
        let whole = format!("{timeline:64}");
        assert!(widest(&whole) <= 64 && whole.contains("500 ms at least"), "{whole}");
        let cut = format!("{timeline:50}");
        assert!(widest(&cut) <= 50 && cut.contains('…'), "{cut}");
        assert!(cut.contains("tasks hand-back") && cut.contains('█'), "{cut}");
    }
}
