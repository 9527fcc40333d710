//! Ends what no shim ends: when the shim was killed, or does not obey, and what a service has left behind
//! that was killed together with its shims.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};
use std::thread::park_timeout;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::process::Child;

/// How long it looks for those who were just being born, or who do not die.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(5);
/// The variables by which a command's process is known: where it was given to work, and for which attempt.
const PLACE: &[u8] = b"TMPDIR=";
const ATTEMPT: &[u8] = b"TASK_ATTEMPT=";

/// A process, as the kernel lists it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Listed {
    id: i32,
    parent: i32,
    /// Dead, and not yet reaped.
    is_over: bool,
}

/// Ends the process group of a command, whoever is below its shim, whoever was given this directory, and
/// at last the shim itself. The shim comes last: as long as it is there, whoever left the group is below
/// it.
pub(super) fn end(shim: &mut Child, group: Option<Pid>, place: &Path) {
    let id = shim.id().and_then(|id| i32::try_from(id).ok());
    if let Some(group) = group {
        let _ = kill_process_group(group, Signal::KILL);
    }
    kill_until_none(|listed| {
        let mut roots: HashSet<i32> = working_in(|at| at == place).into_iter().collect();
        roots.extend(id);
        let mut all = below(listed, roots);
        all.retain(|&process| Some(process) != id);
        all
    });
    // Nothing waits for it any more, so its number is still its own.
    let _ = shim.start_kill();
    let deadline = Instant::now() + PATIENCE;
    while matches!(shim.try_wait(), Ok(None)) && Instant::now() < deadline {
        park_timeout(PAUSE);
    }
}

/// Ends what is left of services that are dead, and whose directories were in this one; answers how many
/// processes that were.
pub(crate) fn sweep(root: &Path) -> usize {
    let mut ended = HashSet::new();
    let this = std::process::id();
    kill_until_none(|listed| {
        let left = working_in(|at| owner(at, root).is_some_and(|owner| is_dead(&owner)));
        let mut left = below(listed, left.into_iter().collect());
        // A service that a command has started is not what was left, whatever it was started with.
        left.retain(|&id| u32::try_from(id) != Ok(this));
        ended.extend(left.iter().copied());
        left
    });
    ended.len()
}

fn kill_until_none(mut find: impl FnMut(&[Listed]) -> Vec<i32>) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left = find(&listed());
        if left.is_empty() || Instant::now() > deadline {
            return;
        }
        for process in left.into_iter().filter_map(Pid::from_raw) {
            let _ = kill_process(process, Signal::KILL);
        }
        park_timeout(PAUSE);
    }
}

/// These and all below them, as far as they live.
fn below(listed: &[Listed], mut family: HashSet<i32>) -> Vec<i32> {
    loop {
        let before = family.len();
        let born = listed.iter().filter(|process| family.contains(&process.parent));
        let born: Vec<i32> = born.map(|process| process.id).collect();
        family.extend(born);
        if family.len() == before {
            break;
        }
    }
    let lives = |process: &&Listed| family.contains(&process.id) && !process.is_over;
    listed.iter().filter(lives).map(|process| process.id).collect()
}

fn listed() -> Vec<Listed> {
    let texts = ids().filter_map(|id| fs::read_to_string(format!("/proc/{id}/stat")).ok());
    texts.filter_map(|text| read(&text)).collect()
}

/// Reads `ID (NAME) STATE PARENT …`, where the name may hold anything.
fn read(text: &str) -> Option<Listed> {
    let (id, _) = text.split_once(" (")?;
    let (_, rest) = text.rsplit_once(") ")?;
    let mut words = rest.split(' ');
    let state = words.next()?;
    let is_over = matches!(state, "Z" | "X" | "x");
    Some(Listed { id: id.parse().ok()?, parent: words.next()?.parse().ok()?, is_over })
}

/// Those of commands who were given a directory like this one for their temporary files.
fn working_in(is_it: impl Fn(&Path) -> bool) -> Vec<i32> {
    let is_marked = |id: &i32| {
        let environment = fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
        let variable = |name: &[u8]| {
            environment.split(|byte| *byte == 0).find_map(|variable| variable.strip_prefix(name))
        };
        let place = variable(PLACE).map(|place| Path::new(OsStr::from_bytes(place)));
        variable(ATTEMPT).is_some() && place.is_some_and(&is_it)
    };
    ids().filter(is_marked).collect()
}

fn ids() -> impl Iterator<Item = i32> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    // The process 1 is nobody's to end.
    processes.filter_map(|process| process.file_name().to_str()?.parse().ok()).filter(|id| *id > 1)
}

/// The directory in this root to which a place belongs.
fn owner(place: &Path, root: &Path) -> Option<PathBuf> {
    let mut below = place.strip_prefix(root).ok()?.components();
    let Component::Normal(owner) = below.next()? else { return None };
    below.next().map(|_| root.join(owner))
}

/// A living process has its directory locked.
fn is_dead(owner: &Path) -> bool {
    match File::open(owner) {
        Ok(directory) => directory.try_lock().is_ok(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_is_everybody_below_who_lives_however_he_is_called() {
        let listed: Vec<Listed> = [
            "10 (sundown) S 1 10 10 0",
            "11 (a) (b) S 10 11 10 0",
            "12 (x\n) Z 1 (y) T 11 12 12 0",
            "13 (gone) Z 10 13 10 0",
            "14 (born of the dead) R 13 13 10 0",
            "15 (stranger) S 1 15 15 0",
        ]
        .map(|text| read(text).unwrap_or_else(|| panic!("{text}")))
        .to_vec();
        assert_eq!(below(&listed, HashSet::from([10])), [10, 11, 12, 14]);
        assert_eq!(below(&listed, HashSet::from([11, 99])), [11, 12]);
        assert_eq!(below(&listed, HashSet::new()), [0; 0]);
        assert_eq!(read("nonsense"), None);
    }

    #[test]
    fn a_place_belongs_to_the_directory_below_the_root() {
        let root = Path::new("/tmp/root");
        let owner = |place: &str| owner(Path::new(place), root);
        assert_eq!(owner("/tmp/root/1-a/command-x"), Some(root.join("1-a")));
        for elsewhere in
            ["/tmp/root", "/tmp/root/1-a", "/tmp/rooted/1-a/x", "/tmp", "", "/tmp/root/../x/y"]
        {
            assert_eq!(owner(elsewhere), None, "{elsewhere}");
        }
    }
}
