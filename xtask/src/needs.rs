//! The tools the steps need, and what to install where one is missing.

use std::process::{Command, Stdio};

use anyhow::bail;

/// A tool, how to see that it is there, and how to get it.
struct Need {
    tool: &'static str,
    probe: &'static [&'static str],
    install: &'static str,
}

/// What `test` needs beyond cargo itself.
const NEEDS: &[Need] = &[
    Need {
        tool: "rustfmt",
        probe: &["cargo", "fmt", "--version"],
        install: "rustup component add rustfmt",
    },
    Need {
        tool: "clippy",
        probe: &["cargo", "clippy", "--version"],
        install: "rustup component add clippy",
    },
    Need { tool: "git", probe: &["git", "--version"], install: "apt-get install git" },
];

/// Says in one sentence what is missing and how to get it, before minutes are spent.
pub(crate) fn check() -> anyhow::Result<()> {
    match missing(NEEDS, is_there) {
        Some(sentence) => bail!(sentence),
        None => Ok(()),
    }
}

fn missing(needs: &[Need], is_there: impl Fn(&[&str]) -> bool) -> Option<String> {
    let missing: Vec<_> = needs.iter().filter(|need| !is_there(need.probe)).collect();
    if missing.is_empty() {
        return None;
    }
    let tools: Vec<_> = missing.iter().map(|need| need.tool).collect();
    let installs: Vec<_> = missing.iter().map(|need| need.install).collect();
    Some(format!(
        "{} missing here: run `{}` and start again",
        tools.join(" and "),
        installs.join(" && ")
    ))
}

fn is_there(probe: &[&str]) -> bool {
    let [program, arguments @ ..] = probe else { return false };
    Command::new(program)
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_tool_is_named_with_the_command_that_installs_it() {
        let sentence = missing(NEEDS, |probe| probe[0] == "git");
        assert_eq!(
            sentence.unwrap(),
            "rustfmt and clippy missing here: run `rustup component add rustfmt && \
             rustup component add clippy` and start again"
        );
        assert_eq!(missing(NEEDS, |_| true), None);
    }

    #[test]
    fn a_program_that_does_not_exist_is_not_there() {
        assert!(is_there(&["cargo", "--version"]));
        assert!(!is_there(&["no-such-program", "--version"]));
        assert!(!is_there(&["cargo", "no-such-command"]));
    }
}
