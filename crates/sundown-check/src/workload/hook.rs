//! A preStop hook, and how long it takes.

use std::time::Duration;

use crate::node::Node;
use crate::workload::{duration, line_of};

/// A preStop hook.
#[derive(Debug, Clone)]
pub(crate) struct Hook {
    /// The line it begins on.
    pub(crate) line: usize,
    /// The way to it.
    pub(crate) field: String,
    /// The command it runs, if it runs one.
    pub(crate) command: Option<Vec<String>>,
    /// Whether it is Kubernetes' own sleep.
    pub(crate) is_sleep: bool,
    /// How long it takes.
    pub(crate) length: Length,
}

/// How long something takes, as far as that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    /// So long.
    Known(Duration),
    /// So long or longer.
    AtLeast(Duration),
}

impl Length {
    /// It takes no less.
    pub(crate) fn least(self) -> Duration {
        match self {
            Length::Known(time) | Length::AtLeast(time) => time,
        }
    }

    /// It takes exactly that, if that is known.
    pub(crate) fn known(self) -> Option<Duration> {
        match self {
            Length::Known(time) => Some(time),
            Length::AtLeast(_) => None,
        }
    }
}

impl Hook {
    /// The one of this container.
    pub(crate) fn of(container: &Node, field: &str) -> Option<Hook> {
        let lifecycle = container.get("lifecycle")?;
        let hook = lifecycle.get("preStop")?;
        let field = format!("{field}.lifecycle.preStop");
        let sleep = hook.at(&["sleep", "seconds"]).and_then(Node::integer);
        let command = hook.at(&["exec", "command"]).map(|command| {
            command.list().iter().filter_map(Node::text).map(str::to_owned).collect::<Vec<_>>()
        });
        let length = match (sleep, &command) {
            (Some(sleep), _) => {
                Length::Known(Duration::from_secs(u64::try_from(sleep).unwrap_or_default()))
            }
            (None, Some(command)) => length_of(command),
            (None, None) => Length::AtLeast(Duration::ZERO),
        };
        let line = line_of(lifecycle, "preStop");
        Some(Hook { line, field, command, is_sleep: sleep.is_some(), length })
    }
}

/// Whether this is the name of a shell, with or without a path.
pub(crate) fn is_shell(program: &str) -> bool {
    let name = program.rsplit('/').next().unwrap_or_default();
    ["sh", "bash", "ash", "dash", "ksh", "zsh"].contains(&name)
}

/// The script of `sh -c SCRIPT`, whatever other flags stand before it.
pub(crate) fn script<'w>(command: &[&'w str]) -> Option<&'w str> {
    let (shell, arguments) = command.split_first()?;
    let is_flag = |flag: &&&str| flag.starts_with('-');
    let flags = arguments.iter().take_while(is_flag).count();
    let (flags, rest) = arguments.split_at(flags);
    // In `-ec` and `-lc` the c is the last letter, because the script follows.
    let runs = flags.last().is_some_and(|flag| !flag.starts_with("--") && flag.ends_with('c'));
    (is_shell(shell) && runs).then(|| rest.first().copied())?
}

fn length_of(command: &[String]) -> Length {
    let words: Vec<&str> = command.iter().map(String::as_str).collect();
    match script(&words) {
        Some(script) => length_of_script(script),
        None => sleep(words.into_iter()).map_or(Length::AtLeast(Duration::ZERO), Length::Known),
    }
}

/// The sleeps up to the first thing whose time nobody knows, and those behind it that run anyway.
fn length_of_script(script: &str) -> Length {
    const BRANCHES: [&str; 9] =
        ["if", "while", "until", "for", "case", "{", "(", "exec", "function"];
    let mut total = Duration::ZERO;
    let mut is_exact = true;
    let script = script.replace("&&", ";").replace('\n', ";");
    for statement in script.split(';').map(str::trim).filter(|s| !s.is_empty()) {
        let words = || statement.split_whitespace();
        let first = words().next().unwrap_or_default();
        if let Some(time) = sleep(words()) {
            total = total.saturating_add(time);
        } else if first == "exit" {
            break;
        } else if BRANCHES.contains(&first) || statement.contains(['|', '&']) {
            return Length::AtLeast(total);
        } else if !["echo", "true", ":", "set", "date"].contains(&first) && !first.starts_with('#')
        {
            is_exact = false;
        }
    }
    if is_exact { Length::Known(total) } else { Length::AtLeast(total) }
}

/// How long `sleep 5`, `/bin/sleep 1m 30s` takes, if it is nothing else.
fn sleep<'w>(mut words: impl Iterator<Item = &'w str>) -> Option<Duration> {
    let program = words.next()?;
    if program.rsplit('/').next() != Some("sleep") {
        return None;
    }
    let times: Option<Vec<Duration>> =
        words.map(|word| duration::parse(word.trim_matches(['"', '\'']))).collect();
    let times = times.filter(|times| !times.is_empty())?;
    Some(times.into_iter().fold(Duration::ZERO, Duration::saturating_add))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn length(command: &[&str]) -> Length {
        length_of(&command.iter().map(|&word| word.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn sleeps_are_recognised_however_they_are_written() {
        let exactly = |seconds| Length::Known(Duration::from_secs(seconds));
        let at_least = |seconds| Length::AtLeast(Duration::from_secs(seconds));
        let cases: [(&[&str], Length); 16] = [
            (&["sleep", "5"], exactly(5)),
            (&["/bin/sleep", "1m"], exactly(60)),
            (&["/usr/bin/sleep", "1m", "5s"], exactly(65)),
            (&["sh", "-c", "sleep 10"], exactly(10)),
            (&["/bin/sh", "-ec", "/bin/sleep 10;"], exactly(10)),
            (&["/bin/bash", "-c", "--", "x"], at_least(0)),
            (&["sh", "-c", "sleep 5 && sleep 2"], exactly(7)),
            (&["sh", "-c", "echo bye; sleep 5; exit 0"], exactly(5)),
            (&["sh", "-c", "sleep 5; curl localhost/quit"], at_least(5)),
            (&["sh", "-c", "nginx -s quit\nsleep 15"], at_least(15)),
            (&["sh", "-c", "sleep 3; while pgrep x; do sleep 1; done"], at_least(3)),
            (&["sh", "-c", "sleep $WAIT"], at_least(0)),
            (&["sleep"], at_least(0)),
            (&["/wait-shutdown"], at_least(0)),
            (&["sh", "/scripts/stop.sh"], at_least(0)),
            (&[], at_least(0)),
        ];
        for (command, expected) in cases {
            assert_eq!(length(command), expected, "{command:?}");
        }
    }
}
