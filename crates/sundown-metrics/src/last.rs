//! The last word: a hook that comes after all others, and a file that holds the last values.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use sundown::{BoxError, Priority, ShutdownCoordinator, Waiter};
use tokio::task::spawn_blocking;

use crate::MetricsService;

/// A hook that, when its turn comes, registers the one that does the work. By then every other
/// hook of this priority is registered, so it comes after them; and because this one is still
/// running, the phase cannot have ended.
pub(crate) fn last_hook<F>(coordinator: &Arc<dyn ShutdownCoordinator>, last_word: F) -> Waiter
where
    F: Fn() -> Result<(), BoxError> + Clone + Send + 'static,
{
    // Weak: the coordinator keeps this hook, and must not keep itself.
    let coordinator: Weak<dyn ShutdownCoordinator> = Arc::downgrade(coordinator);
    let hook = move |_deadline| async move {
        let body = last_word.clone();
        let last = Waiter::blocking(MetricsService::LAST, move |_deadline| body());
        let last = last.as_hook(Priority::Cleanup);
        if coordinator.upgrade().is_some_and(|c| c.register_waiter(last).is_ok()) {
            return Ok(());
        }
        spawn_blocking(last_word).await?
    };
    Waiter::new(MetricsService::NAME, hook).as_hook(Priority::Cleanup)
}

/// Writes beside the file and renames: a reader sees the old text or the new one.
pub(crate) fn replace(path: &Path, text: &str) -> io::Result<()> {
    let beside = beside(path);
    let replaced = write_new(&beside, text).and_then(|()| fs::rename(&beside, path));
    if replaced.is_err() {
        let _ = fs::remove_file(&beside);
    }
    replaced
}

/// Whether that could be done now, as far as one can tell without doing it.
pub(crate) fn could_replace(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let beside = beside(path);
    write_new(&beside, "").and_then(|()| fs::remove_file(&beside))
}

/// Writes a file that was not there: a link that somebody planted under its name is not followed.
fn write_new(path: &Path, text: &str) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    OpenOptions::new().write(true).create_new(true).open(path)?.write_all(text.as_bytes())
}

fn beside(path: &Path) -> PathBuf {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.tmp", std::process::id()));
    beside.into()
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_planted_link_is_replaced_and_its_target_kept() {
        let directory = std::env::temp_dir().join(format!("sundown-last-{}", std::process::id()));
        fs::create_dir_all(&directory).expect("a scratch directory");
        let (victim, path) = (directory.join("victim"), directory.join("last.prom"));
        fs::write(&victim, "of value").expect("it is writable");
        symlink(&victim, beside(&path)).expect("a link");
        could_replace(&path).expect("it can");
        symlink(&victim, beside(&path)).expect("a link");
        replace(&path, "up 1\n").expect("it can");
        assert_eq!(fs::read_to_string(&victim).expect("it is there"), "of value");
        assert_eq!(fs::read_to_string(&path).expect("it is there"), "up 1\n");
        fs::remove_dir_all(directory).expect("it is ours");
    }
}
