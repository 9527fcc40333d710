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
            let command: Vec<&str> = member.container.words().collect();
            let script = script(&command).filter(|_| has_command);
            let hands_over = command.first().is_some_and(|shell| hands_over(shell));
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

/// Whether a script has several commands, or a pipeline, and neither hands over nor handles signals.
fn keeps(script: &str, hands_over: bool) -> bool {
    const ENDS: [&str; 5] = ["done", "fi", "esac", "}", ")"];
    let text = plain(script);
    let commands: Vec<&str> =
        text.split(['\n', ';']).map(str::trim).filter(|command| !is_setting(command)).collect();
    // What stands in a document within the script looks like commands, and hides the real ones.
    let is_unclear = script.contains("<<") && script.contains("exec");
    if is_unclear || commands.iter().any(|command| acquits(command)) {
        return false;
    }
    let Some(last) = commands.last() else { return false };
    if last.contains('|') {
        return true;
    }
    let ends = last.split_whitespace().last().is_some_and(|last| ENDS.contains(&last));
    commands.len() > 1 && (!hands_over || ends)
}

/// Whether a command takes the shell's place, or lets the shell hear of signals.
fn acquits(command: &str) -> bool {
    let mut words = words(command);
    match words.next() {
        Some("trap" | "wait") => true,
        // Within a pipeline it is another shell whose place is taken.
        Some("exec") => words.next().is_some() && !command_part(command).contains('|'),
        Some(_) | None => false,
    }
}

/// The command without the pattern of a `case` before it.
fn command_part(command: &str) -> &str {
    match command.split_once(')') {
        Some((pattern, rest)) if !pattern.contains('(') => rest,
        Some(_) | None => command,
    }
}

/// The words of a command, without what stands before its name, and without redirections.
fn words(command: &str) -> impl Iterator<Item = &str> {
    const BEFORE: [&str; 10] =
        ["if", "then", "else", "elif", "do", "while", "until", "!", "{", "("];
    let is_before = |word: &&str| {
        let is_assignment = word.split_once('=').is_some_and(|(name, _)| {
            !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_')
        });
        BEFORE.contains(word) || word.ends_with("()") || is_assignment
    };
    let is_redirection =
        |word: &&str| word.trim_start_matches(|c: char| c.is_ascii_digit()).starts_with(['<', '>']);
    let words = command_part(command).split_whitespace().map(|word| word.trim_start_matches('('));
    words.skip_while(is_before).filter(move |word| !is_redirection(word) && !word.is_empty())
}

/// Whether it is nothing, or sets something for the shell itself.
fn is_setting(command: &str) -> bool {
    let mut words = words(command);
    match words.next() {
        None | Some("set" | "export" | "umask") => true,
        // With nothing but redirections behind it, it moves the shell's own output.
        Some("exec") => words.next().is_none(),
        Some(_) => false,
    }
}

/// The script without comments, and without what stands in quotes and is put in; with one separator
/// for all ways to chain but pipelines.
fn plain(script: &str) -> String {
    let script = script.replace("\\\n", " ");
    let mut plain = String::with_capacity(script.len());
    let mut quote = None;
    let mut depth = 0_usize;
    let mut chars = script.chars().peekable();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some('#'), '\n') => {
                quote = None;
                plain.push(c);
            }
            (Some('#'), _) => {}
            (Some('\''), '\'') | (Some('"'), '"') | (Some('`'), '`') => quote = None,
            (Some('\''), _) => {}
            (_, '\\') => {
                chars.next();
            }
            (Some(_), _) => {}
            (None, '\'' | '"' | '`') => {
                // A word in quotes is a word.
                quote = Some(c);
                plain.push('_');
            }
            (None, '#') if depth == 0 && plain.ends_with([' ', '\t', '\n', ';']) => quote = Some(c),
            (None, '#') if plain.is_empty() => quote = Some(c),
            (None, '$') if chars.peek().is_some_and(|c| ['(', '{'].contains(c)) => {
                chars.next();
                depth += 1;
                plain.push('_');
            }
            (None, '(' | '{') if depth > 0 => depth += 1,
            (None, ')' | '}') if depth > 0 => depth -= 1,
            (None, _) if depth > 0 => {}
            (None, _) => plain.push(c),
        }
    }
    let plain = plain.replace("&>", ">").replace(">&", ">").replace(">|", ">").replace(";;", ";");
    plain.replace("||", ";").replace('&', ";")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_shell_that_stays_keeps_signals() {
        let kept = [
            "cd /app && ./server",
            "set -e\nmigrate\nserver",
            "a; b",
            "true || a",
            "wait-for-it db:5432 && ./server",
            "echo please wait; ./server; echo done",
            "echo \"exec me\"; ./server",
            "./server | tee /log",
            "cd /app && exec ./server | tee /log",
            "exec 2>&1; migrate; ./server",
            "migrate; tini -- ./server",
            "# exec\nmigrate; ./server # wait",
        ];
        let not = [
            "server --flag",
            "cd /app && exec ./server",
            "set -e\nexport A=1\nserver",
            "server \\\n  --flag",
            "echo a; trap 'kill 0' TERM; server & wait",
            "if x; then exec a; else exec b; fi",
            "server --greeting 'a; b && c'",
            "# first\nserver",
            "# don't\nmigrate; exec server",
            "migrate | tee /log; exec server",
            "migrate && PORT=1 exec server --name=$(hostname | cut -d. -f1) 2>&1",
            "case $1 in a|b) exec server;; esac",
            "main() { exec server; }; main",
            "exec > /log 2>&1; server",
            "migrate || (echo failed; exit 1); exec server",
            "cat > /etc/x <<EOF\nit's\nEOF\nexec server",
            "server --greeting=${NAME:-a|b} # a | b",
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
        assert!(keeps("./server | tee /log", true));
    }
}
