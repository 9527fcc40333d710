//! The tools the steps need, and what to install where one is missing.

use std::process::{Command, Stdio};

use anyhow::bail;

/// A tool, how to see that it is there, and how to get it.
struct Need {
    tool: &'static str,
    probe: &'static [&'static str],
    install: &'static str,
    /// The Debian package it comes in, if it does.
    package: Option<&'static str>,
}

/// What `test` needs beyond cargo itself.
const NEEDS: &[Need] = &[
    Need {
        tool: "rustfmt",
        probe: &["cargo", "fmt", "--version"],
        install: "rustup component add rustfmt",
        package: None,
    },
    Need {
        tool: "clippy",
        probe: &["cargo", "clippy", "--version"],
        install: "rustup component add clippy",
        package: None,
    },
    Need {
        tool: "git",
        probe: &["git", "--version"],
        install: "apt-get install -y git",
        package: Some("git"),
    },
    Need {
        tool: "haproxy",
        probe: &["haproxy", "-v"],
        install: "apt-get install -y haproxy",
        package: Some("haproxy"),
    },
    Need {
        tool: "PostgreSQL",
        probe: &["sh", "-c", "ls /usr/lib/postgresql/*/bin/initdb || command -v initdb"],
        install: "apt-get install -y postgresql",
        package: Some("postgresql"),
    },
    Need {
        tool: "pgbouncer",
        probe: &["sh", "-c", "PATH=$PATH:/usr/sbin command -v pgbouncer"],
        install: "apt-get install -y pgbouncer",
        package: Some("pgbouncer"),
    },
    Need {
        tool: "openssl",
        probe: &["openssl", "version"],
        install: "apt-get install -y openssl",
        package: Some("openssl"),
    },
    Need {
        tool: "strace",
        probe: &["strace", "-V"],
        install: "apt-get install -y strace",
        package: Some("strace"),
    },
    Need {
        tool: "python3",
        probe: &["python3", "--version"],
        install: "apt-get install -y python3",
        package: Some("python3"),
    },
    Need {
        tool: "promtool",
        probe: &["promtool", "--version"],
        install: "apt-get install -y prometheus",
        package: Some("prometheus"),
    },
    Need {
        tool: "ip",
        probe: &["ip", "-V"],
        install: "apt-get install -y iproute2",
        package: Some("iproute2"),
    },
    Need {
        tool: "unshare",
        probe: &["unshare", "--version"],
        install: "apt-get install -y util-linux",
        package: Some("util-linux"),
    },
    Need {
        tool: "capsh",
        probe: &["sh", "-c", "PATH=$PATH:/usr/sbin command -v capsh"],
        install: "apt-get install -y libcap2-bin",
        package: Some("libcap2-bin"),
    },
];

/// The image's binary is tried in a room of its own, made as that is made.
const ROOM: &[&str] =
    &["unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private", "true"];

/// Installs what can be installed, and says in one sentence what else is missing and how to get it,
/// before minutes are spent.
pub(crate) fn check() -> anyhow::Result<()> {
    install_packages();
    if let Some(sentence) = missing(NEEDS, is_there) {
        bail!(sentence);
    }
    // Where there is no such file, nothing is known.
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    if let Some(sentence) = deaf(&status) {
        bail!(sentence);
    }
    match refused(is_root(), is_there(ROOM)) {
        Some(sentence) => bail!(sentence),
        None => Ok(()),
    }
}

/// What may not be done here, if something must be.
fn refused(is_root: bool, has_room: bool) -> Option<&'static str> {
    match (is_root, has_room) {
        (true, true) => None,
        (false, _) => Some(
            "the image's binary is tried behind mounts, namespaces and chroot, and only root may make them: \
             start again with `sudo --preserve-env cargo xtask test`, or in a container",
        ),
        (true, false) => Some(
            "the image's binary is tried behind mounts, namespaces and chroot, and this root may not make \
             them: start again with CAP_SYS_ADMIN (`docker run --cap-add SYS_ADMIN`, and \
             `--security-opt apparmor=unconfined` where there is AppArmor)",
        ),
    }
}

/// What is started to ignore a signal, as by `nohup` or by `&` in a script, hands that on to the services
/// that the tests stop by it.
fn deaf(status: &str) -> Option<String> {
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    let ignored = u64::from_str_radix(ignored.trim(), 16).ok()?;
    let signals = [(1, "SIGHUP"), (2, "SIGINT"), (3, "SIGQUIT"), (15, "SIGTERM")];
    let names = signals.into_iter().filter(|(number, _)| ignored >> (number - 1) & 1 == 1);
    let names: Vec<_> = names.map(|(_, name)| name).collect();
    (!names.is_empty()).then(|| {
        format!(
            "{} ignored here, and so by every service that the tests start: start again with \
             `env --default-signal cargo xtask test`",
            names.join(" and ")
        )
    })
}

/// Debian packages, where there is the right to install them. What fails is seen afterwards.
fn install_packages() {
    let packages: Vec<_> =
        NEEDS.iter().filter(|need| !is_there(need.probe)).filter_map(|need| need.package).collect();
    if packages.is_empty() || !is_root() || !is_there(&["apt-get", "--version"]) {
        return;
    }
    println!("== installing {} …", packages.join(" "));
    // The lists may be missing on a fresh machine; where they are there, an update only costs time.
    let install = [&["apt-get", "install", "-y", "-q"], &*packages].concat();
    let _ = is_there(&install) || is_there(&["apt-get", "update", "-q"]) && is_there(&install);
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|id| id.stdout.trim_ascii() == b"0")
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
        let sentence = missing(NEEDS, |probe| probe[0] != "cargo");
        assert_eq!(
            sentence.unwrap(),
            "rustfmt and clippy missing here: run `rustup component add rustfmt && \
             rustup component add clippy` and start again"
        );
        assert_eq!(missing(NEEDS, |_| true), None);
    }

    #[test]
    fn a_missing_right_is_told_with_how_to_get_it() {
        assert_eq!(refused(true, true), None);
        for has_room in [true, false] {
            assert!(refused(false, has_room).is_some_and(|told| told.contains("`sudo ")));
        }
        assert!(refused(true, false).is_some_and(|told| told.contains("--cap-add SYS_ADMIN")));
    }

    #[test]
    fn an_ignored_signal_is_named_with_the_way_out() {
        let status = |ignored| deaf(&format!("Name:\txtask\nSigIgn:\t{ignored}\nSigCgt:\t0\n"));
        assert_eq!(status("0000000000001000"), None, "SIGPIPE is ignored by every Rust program");
        let told = status("0000000000001006").unwrap();
        assert!(told.starts_with("SIGINT and SIGQUIT ignored here"), "{told}");
        assert!(status("0000000000000001").unwrap().ends_with("cargo xtask test`"));
        assert_eq!(deaf(""), None);
    }

    #[test]
    fn a_program_that_does_not_exist_is_not_there() {
        assert!(is_there(&["cargo", "--version"]));
        assert!(!is_there(&["no-such-program", "--version"]));
        assert!(!is_there(&["cargo", "no-such-command"]));
    }
}
