//! Whether a container's first process is a shell that keeps SIGTERM to itself.

use super::World;
use crate::finding::{Finding, Rule, Severity, Words};
use crate::node::Value;
use crate::workload::hook::script;
use crate::workload::line_of;

/// A shell with several commands, of which none replaces it.
pub(super) fn keeps_signals(world: &World<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for workload in &world.workloads {
        // Then the first process is the pod's, and a shell that is not first dies of SIGTERM.
        let is_shared = workload.pod.get("shareProcessNamespace").map(|node| &node.value)
            == Some(&Value::Bool(true));
        for member in workload.mains().filter(|_| !is_shared) {
            // Without a command of its own, what runs first is the image's affair.
            let has_command = member.node.get("command").is_some_and(|c| !c.list().is_empty());
            let script = script(&member.container.command).filter(|_| has_command);
            let hands_over =
                member.container.command.first().is_some_and(|shell| hands_over(shell));
            if !script.is_some_and(|script| keeps(script, hands_over)) {
                continue;
            }
            let words = Words {
                what: format!("the first process of {} is a shell with a script", member.name()),
                why: "as the first process a shell ignores SIGTERM and does not pass it on: \
                      the program never hears of it, and is killed when the grace period ends",
                mend: "write `exec` before the last command of the script, or run the program \
                       without a shell"
                    .to_owned(),
            };
            let is_job = workload.kind.is_job();
            let severity = if is_job { Severity::Note } else { Severity::Warning };
            let (line, field) = (line_of(member.node, "command"), &member.field);
            let field = format!("{field}.command");
            findings.push(workload.finding(Rule::ShellKeepsSignals, severity, line, field, words));
        }
    }
    findings
}

/// Whether a shell lets the last command of `-c` take its place by itself, as bash does and dash
/// does not.
fn hands_over(shell: &str) -> bool {
    ["bash", "zsh"].contains(&shell.rsplit('/').next().unwrap_or_default())
}

/// Whether a script has several commands and neither hands over nor handles signals.
fn keeps(script: &str, hands_over: bool) -> bool {
    const ENDS: [&str; 5] = ["done", "fi", "esac", "}", ")"];
    let lines = script.replace("\\\n", " ");
    let lines = lines.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let text = lines.collect::<Vec<_>>().join("\n");
    let is_break = |c: char| c.is_whitespace() || ";&|(){}`\"'".contains(c);
    let mut words = text.split(is_break);
    if words.any(|word| ["exec", "trap", "wait", "tini", "dumb-init"].contains(&word)) {
        return false;
    }
    let text = unquoted(&text);
    let commands = || text.split(['\n', ';']).map(str::trim).filter(|c| !is_setting(c));
    let last = commands().next_back().and_then(|last| last.split_whitespace().last());
    commands().count() > 1 && (!hands_over || last.is_some_and(|last| ENDS.contains(&last)))
}

/// Whether it is nothing, or sets something for the shell itself.
fn is_setting(command: &str) -> bool {
    let first = command.split_whitespace().next().unwrap_or_default();
    first.is_empty() || first == "set" || first == "export" || first == "umask"
}

/// The script without what stands in quotes, and with one separator for all ways to chain.
fn unquoted(script: &str) -> String {
    let mut quote = None;
    let mut plain = String::with_capacity(script.len());
    for character in script.chars() {
        match quote {
            Some(open) if character == open => quote = None,
            Some(_) => {}
            None if character == '"' || character == '\'' => quote = Some(character),
            None => plain.push(character),
        }
    }
    plain.replace("&&", ";").replace("||", ";")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_shell_that_stays_keeps_signals() {
        let kept = ["cd /app && ./server", "set -e\nmigrate\nserver", "a; b", "true || a"];
        let not = [
            "server --flag",
            "cd /app && exec ./server",
            "set -e\nexport A=1\nserver",
            "server \\\n  --flag",
            "echo a; trap 'kill 0' TERM; server & wait",
            "if x; then exec a; else exec b; fi",
            "server --greeting 'a; b && c'",
            "# first\nserver",
            "",
        ];
        for script in kept {
            assert!(keeps(script, false), "{script}");
        }
        for script in not {
            assert!(!keeps(script, false), "{script}");
        }
    }

    #[test]
    fn bash_hands_over_to_a_last_command_by_itself() {
        assert!(hands_over("/bin/bash") && !hands_over("/bin/sh"));
        assert!(!keeps("cd /app && ./server", true));
        assert!(!keeps("migrate\nserver", true));
        assert!(keeps("while true; do work; done", true));
    }
}
