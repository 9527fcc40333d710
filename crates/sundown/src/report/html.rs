//! Reports as pages for a browser.

use super::Report;
use super::text::{footnotes, has_timeline, headline};
use crate::timeline::escape;

const STYLE: &str = "body{font:15px system-ui,sans-serif;margin:2rem;color:#222}\
    svg{max-width:100%;height:auto;border:1px solid #ddd}li{font-family:ui-monospace,monospace}";

pub(super) fn page(report: &Report) -> String {
    let process = &report.process;
    let title = escape(&format!("How {} ({}) stopped", process.name, process.pid));
    let story = if has_timeline(report) {
        // The picture has the headline in it.
        report.to_svg()
    } else {
        format!("<p>{}</p>\n", escape(&headline(report)))
    };
    let notes: String = footnotes(report)
        .iter()
        .filter(|note| !note.is_empty())
        .map(|note| format!("<li>{}</li>\n", escape(note)))
        .collect();
    let notes = if notes.is_empty() { notes } else { format!("<ul>\n{notes}</ul>\n") };
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>{title}</title>\n\
         <style>{STYLE}</style>\n<h1>{title}</h1>\n{story}{notes}</html>\n"
    )
}
