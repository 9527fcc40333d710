//! Where a server lives: its programs, its directory, and as whom it runs, since it refuses root.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use super::Error;
use crate::process::{Launch, Process};

/// How the directories are named; the id of the process that owns one follows.
const PREFIX: &str = "sundown-postgres-";

/// A user without privileges, and its group.
#[derive(Clone, Copy, Debug)]
pub(super) struct User {
    id: u32,
    group: u32,
}

/// As whom programs that refuse root are run: nobody else unless we are root.
pub(super) fn unprivileged() -> Result<Option<User>, Error> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd")?;
    let named = |name: &str| {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut numbers = line.split(':').skip(2);
        let id = numbers.next()?.parse().ok()?;
        Some(User { id, group: numbers.next()?.parse().ok()? })
    };
    let user = named("postgres").or_else(|| named("nobody"));
    user.map(Some).ok_or(Error::Missing { program: "user postgres", install: "adduser postgres" })
}

/// The directory of PostgreSQL's programs: the newest of Debian's, or that on `PATH`.
pub(super) fn programs() -> Result<PathBuf, Error> {
    let debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = debian
        .map(|version| version.path())
        .filter(|path| path.join("bin/initdb").is_file())
        .max_by_key(|path| path.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok()));
    let newest = newest.map(|path| path.join("bin"));
    newest
        .or_else(|| on_path("initdb"))
        .ok_or(Error::Missing { program: "PostgreSQL", install: "apt-get install -y postgresql" })
}

/// The first directory on `PATH`, or of the system's programs, that holds this one.
pub(super) fn on_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from);
    env::split_paths(&path).chain(system).find(|directory| directory.join(program).is_file())
}

/// Prepares to start a program as that user.
pub(super) fn launch(program: &Path, user: Option<User>) -> Launch {
    let Some(user) = user else { return Process::new(program) };
    Process::new("setpriv")
        .arg(format!("--reuid={}", user.id))
        .arg(format!("--regid={}", user.group))
        .args(["--clear-groups", "--"])
        .arg(program)
}

/// Runs a program to its end, which must be a good one.
pub(super) fn finish(command: Launch, timeout: Duration) -> Result<(), Error> {
    let process = command.env("PGCONNECT_TIMEOUT", "10").spawn()?;
    let exit = process.wait(timeout)?;
    if exit.code == Some(0) {
        return Ok(());
    }
    Err(Error::Failed { what: "a program of the database".to_owned(), said: exit.stderr })
}

/// Looks again and again until it is so.
pub(super) fn wait_until(
    timeout: Duration,
    mut is_so: impl FnMut() -> Result<bool, Error>,
) -> Result<(), Error> {
    let start = Instant::now();
    while !is_so()? {
        if start.elapsed() > timeout {
            return Err(Error::Late);
        }
        pause();
    }
    Ok(())
}

/// The time between two looks.
#[expect(clippy::disallowed_methods, reason = "a test's own thread waits for another process")]
pub(super) fn pause() {
    thread::sleep(Duration::from_millis(20));
}

/// A directory that is gone when this is.
#[derive(Debug)]
pub(super) struct Place {
    path: PathBuf,
}

impl Place {
    pub(super) fn new(what: &str, user: Option<User>) -> Result<Self, Error> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        remove_orphans();
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}{}-{what}-{number}", std::process::id());
        let path = env::temp_dir().join(name);
        fs::create_dir(&path)?;
        let place = Self { path };
        fs::set_permissions(&place.path, fs::Permissions::from_mode(0o700))?;
        if let Some(user) = user {
            std::os::unix::fs::chown(&place.path, Some(user.id), Some(user.group))?;
        }
        Ok(place)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file that the user of the place can read.
    pub(super) fn write(&self, name: &str, text: &str) -> Result<PathBuf, Error> {
        let path = self.path.join(name);
        fs::write(&path, text)?;
        let owner = fs::metadata(&self.path)?;
        std::os::unix::fs::chown(&path, Some(owner.uid()), Some(owner.gid()))?;
        Ok(path)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next start.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Removes the directories of tests that are gone without having run a destructor.
fn remove_orphans() {
    for entry in fs::read_dir(env::temp_dir()).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split('-').next());
        let Some(owner) = owner.and_then(|owner| owner.parse::<u32>().ok()) else { continue };
        if Path::new("/proc/self").exists() && !Path::new(&format!("/proc/{owner}")).exists() {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
