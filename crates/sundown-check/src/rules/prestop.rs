//! Whether a preStop hook finds the command it runs.

use super::World;
use crate::finding::{Finding, Rule, Severity, Words};
use crate::workload::hook::is_shell;

/// Programs of a distribution, which an image without one does not have.
const PROGRAMS: [&str; 8] = ["sleep", "curl", "wget", "kill", "pkill", "killall", "nc", "busybox"];

/// A command of a distribution, in an image that has none.
pub(super) fn cannot_run(world: &World<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for workload in &world.workloads {
        for member in &workload.members {
            let Some(hook) = &member.hook else { continue };
            let Some(program) = hook.command.as_ref().and_then(|command| command.first()) else {
                continue;
            };
            let name = program.rsplit('/').next().unwrap_or_default();
            let is_usual = is_shell(program) || PROGRAMS.contains(&name);
            if !is_usual || !is_bare(&member.container.image) {
                continue;
            }
            let image = &member.container.image;
            let words = Words {
                what: format!("the preStop hook of {} runs `{program}` in {image}", member.name()),
                why: "an image without a distribution has no such program: the hook fails at \
                      once, and SIGTERM comes without the delay",
                mend: "use the sleep action (preStop: { sleep: { seconds: 5 } }), which needs no \
                       program"
                    .to_owned(),
            };
            let (rule, field) = (Rule::PrestopCannotRun, hook.field.clone());
            findings.push(workload.finding(rule, Severity::Error, hook.line, field, words));
        }
    }
    findings
}

/// Whether the name of an image says that it has no programs but its own.
fn is_bare(image: &str) -> bool {
    let image = image.split('@').next().unwrap_or_default();
    let (path, tag) = match image.rsplit_once(':') {
        Some((path, tag)) if !tag.contains('/') => (path, tag),
        Some(_) | None => (image, ""),
    };
    let last = path.rsplit('/').next().unwrap_or_default();
    let is_named = image.contains("distroless") || ["scratch", "static"].contains(&last);
    is_named && !tag.contains("debug") && !tag.contains("busybox")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_must_really_say_it() {
        let bare = [
            "gcr.io/distroless/static",
            "gcr.io/distroless/cc-debian12:nonroot",
            "registry.example:5000/static:1@sha256:0",
            "example.com/proxy:1.2-distroless",
        ];
        let not = [
            "gcr.io/distroless/base:debug",
            "example.com/static-site:1",
            "nginx:1.27",
            "scratchpad:2",
            "",
        ];
        for image in bare {
            assert!(is_bare(image), "{image}");
        }
        for image in not {
            assert!(!is_bare(image), "{image}");
        }
    }
}
