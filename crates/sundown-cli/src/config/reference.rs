//! The definition for people: the help of the flags, the reference, what is in force.

use std::fmt::Write as _;

use super::{Config, Key, Loaded, SECTIONS, Value as _};

/// How wide a line of help may be.
const WIDTH: usize = 90;

/// Every flag with what it does, for `--help`.
pub(crate) fn flags_help() -> String {
    let defaults = Config::default();
    let mut help = String::new();
    for section in SECTIONS {
        let _ = writeln!(help, "\n{}: {}", section.name, section.about.trim());
        for key in section.keys {
            let default = (key.show)(&defaults);
            let text = format!("{} [{default}]", key.help.trim());
            if key.is_secret {
                let _ = writeln!(help, "  {} (no flag: it would be seen)", key.env());
            } else {
                let _ = writeln!(help, "  {}", key.flag());
            }
            for line in wrapped(&text, WIDTH - 10) {
                let _ = writeln!(help, "          {line}");
            }
        }
    }
    help
}

/// The configuration in force as a file that says the same, with where each value came from.
pub(crate) fn effective(loaded: &Loaded) -> String {
    let mut file = String::new();
    for section in SECTIONS {
        let _ = writeln!(file, "{}[{}]", if file.is_empty() { "" } else { "\n" }, section.name);
        for key in section.keys {
            let line = format!("{} = {}", key.name, literal(key, &(key.show)(&loaded.config)));
            let line = if key.is_secret { format!("# {line}") } else { line };
            let mut origin = loaded.origin(&key.path()).to_string();
            if let Some(chosen) = chosen(loaded, &key.path()) {
                origin = format!("{origin}: {chosen}");
            }
            // A comment ends with its line.
            let origin = origin.replace(char::is_control, "\u{fffd}");
            let _ = writeln!(file, "{line:<44} # {origin}");
        }
    }
    file
}

/// What `auto` comes to, where that is no matter of the machine's size alone.
fn chosen(loaded: &Loaded, path: &str) -> Option<String> {
    let config = &loaded.config;
    match path {
        "tasks.store" if config.tasks.store.0.is_none() => {
            loaded.store().ok().map(|place| place.show())
        }
        "shutdown.report_file" if config.shutdown.report_file.0.is_none() => {
            loaded.report_file().map(|path| path.show())
        }
        "web.demo" if config.web.demo.0.is_none() => Some(loaded.has_demo().show()),
        _ => None,
    }
}

/// The reference, as `docs/configuration.md` holds it: every key with its default, its help, its variable and its flag.
#[cfg(test)]
pub(super) fn reference() -> String {
    let defaults = Config::default();
    let mut text = String::new();
    for section in SECTIONS {
        let _ = write!(text, "\n## `[{}]`\n\n", section.name);
        for line in wrapped(section.about.trim(), 100) {
            let _ = writeln!(text, "{line}");
        }
        text.push_str("\n| key | default | what it does | takes | variable | flag |\n");
        text.push_str("|---|---|---|---|---|---|\n");
        for key in section.keys {
            let flag = if key.is_secret { "–".to_owned() } else { format!("`{}`", key.flag()) };
            let _ = writeln!(
                text,
                "| `{}` | `{}` | {} | {} | `{}` | {flag} |",
                key.name,
                (key.show)(&defaults),
                key.help.trim(),
                (key.wanted)(),
                key.env(),
            );
        }
    }
    text
}

/// As TOML writes it. Only what TOML would write the same way stands without quotes.
fn literal(key: &Key, value: &str) -> String {
    let is_number = value.parse::<i64>().is_ok_and(|number| number.to_string() == value);
    let is_truth = key.is_switch && ["true", "false"].contains(&value);
    if is_truth || is_number { value.to_owned() } else { quoted(value) }
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is always one");
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(word.to_owned());
        } else {
            line.push_str(if line.is_empty() { "" } else { " " });
            line.push_str(word);
        }
    }
    lines
}
