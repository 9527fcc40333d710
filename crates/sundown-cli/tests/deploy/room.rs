//! A room with nothing in it but the image's binary: what the image is when it runs, made without a
//! container runtime. It has a root of its own that cannot be written to, processes of its own, no
//! privileges, and the files that a kubelet puts there.

use std::fs::{self, File, OpenOptions};
use std::net::Ipv4Addr;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::PathBuf;

use rustix::process::{Pid, Signal, kill_process};
use sundown_drill::process::{Exit, Launch, Process};

use crate::file;
use crate::service::{PATIENCE, Scratch};

/// Who runs it: the image's `USER`.
pub(crate) const USER: u32 = 65532;

/// Mounts the room, and becomes the binary in it: as process 1, without any privilege.
const ENTER: &str = r#"set -e
root=$1; shift
mount --bind "$root" "$root"
for writable in data tmp dev/termination-log; do
    mount --bind "$root/$writable" "$root/$writable"
done
mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
mount -o remount,bind,ro "$root"
exec env -i "$@""#;

/// The room, furnished.
pub(crate) struct Room {
    pub(crate) scratch: Scratch,
}

/// What runs in it.
pub(crate) struct Tenant {
    /// The one that waits outside.
    pub(crate) process: Process,
}

/// The static binary that `cargo xtask test` has built by the image's own recipe.
pub(crate) fn binary() -> PathBuf {
    let path = std::env::var_os("XTASK_IMAGE_BINARY").map(PathBuf::from).expect(
        "XTASK_IMAGE_BINARY is not set: it names the binary of the image, which `cargo xtask test` builds \
         (by hand: XTASK_IMAGE_BINARY=$(cargo xtask deploy binary | tail -1) cargo test …)",
    );
    assert!(path.is_file(), "{} is not there: `cargo xtask deploy binary`", path.display());
    path
}

impl Room {
    /// With these hosts known by name, and this server for other names.
    pub(crate) fn furnish(hosts: &str, name_server: Ipv4Addr) -> Self {
        assert!(
            rustix::process::getuid().is_root(),
            "this test needs root, for mounts, namespaces and chroot (run it as root, or in a container \
             with CAP_SYS_ADMIN)"
        );
        let scratch = Scratch::new();
        let make = |name: &str| fs::create_dir(scratch.path(name)).unwrap();
        ["etc", "etc/sundown", "dev", "proc", "data", "tmp"].into_iter().for_each(make);
        for name in ["data", "tmp"] {
            chown(scratch.path(name), Some(USER), Some(USER)).unwrap();
        }
        fs::copy(binary(), scratch.path("sundown")).unwrap();
        fs::set_permissions(scratch.path("sundown"), fs::Permissions::from_mode(0o555)).unwrap();
        fs::copy(file("deploy/base/sundown.toml"), scratch.path("etc/sundown/sundown.toml"))
            .unwrap();
        fs::write(scratch.path("etc/hosts"), hosts).unwrap();
        let resolver = format!(
            "search sundown.svc.cluster.local svc.cluster.local cluster.local\n\
             nameserver {name_server}\noptions ndots:5\n"
        );
        fs::write(scratch.path("etc/resolv.conf"), resolver).unwrap();
        let log = File::create(scratch.path("dev/termination-log")).unwrap();
        log.set_permissions(fs::Permissions::from_mode(0o666)).unwrap();
        fs::set_permissions(&scratch.0, fs::Permissions::from_mode(0o755)).unwrap();
        Room { scratch }
    }

    /// Starts the binary with these variables.
    pub(crate) fn enter(&self, variables: &[(&str, &str)]) -> Tenant {
        let root = self.scratch.0.display().to_string();
        let variables = variables.iter().map(|(name, value)| format!("{name}={value}"));
        let launch: Launch = Process::new("unshare")
            .args(["--mount", "--pid", "--fork", "--kill-child", "--propagation", "private"])
            .args(["sh", "-c", ENTER, "enter", &root, "PATH=/usr/sbin:/usr/bin:/sbin:/bin"])
            .args(variables)
            .args(["capsh", "--no-new-privs", &format!("--chroot={root}"), "--drop=all"])
            .args(["--groups=", &format!("--gid={USER}"), &format!("--uid={USER}"), "--inh="])
            .args(["--shell=/sundown", "--", "serve"]);
        Tenant { process: launch.spawn().unwrap() }
    }

    /// The line that Kubernetes would show.
    pub(crate) fn last_word(&self) -> String {
        fs::read_to_string(self.scratch.path("dev/termination-log")).unwrap()
    }
}

impl Tenant {
    /// The binary itself, which is a child of the one outside.
    fn inside(&self) -> Pid {
        let outside = self.process.id();
        let children = format!("/proc/{outside}/task/{outside}/children");
        let children = fs::read_to_string(children).unwrap();
        Pid::from_raw(children.trim().parse().unwrap()).unwrap()
    }

    /// What the system says of it, by the name of a line in `status`.
    pub(crate) fn status(&self, name: &str) -> String {
        let path = format!("/proc/{}/status", self.inside().as_raw_nonzero());
        let text = fs::read_to_string(path).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name}:")));
        line.unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Whether a file in its root can be opened for writing.
    pub(crate) fn root_is_writable(&self) -> bool {
        let path = format!("/proc/{}/root/sundown", self.inside().as_raw_nonzero());
        OpenOptions::new().append(true).open(path).is_ok()
    }

    /// Stops it as a kubelet does, and waits for its end.
    pub(crate) fn stop(self) -> Exit {
        kill_process(self.inside(), Signal::TERM).unwrap();
        self.process.wait(PATIENCE).unwrap()
    }
}
