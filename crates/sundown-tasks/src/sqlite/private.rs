//! The files of the store are for their user alone, whatever the umask says: inputs and outputs of
//! tasks may be secrets.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use tracing::warn;

/// Everybody but the owner.
const OTHERS: u32 = 0o077;

/// Makes the file, if there is none, before SQLite does, and takes the rights of others away from one
/// that is there. SQLite gives the files that it makes beside it the same rights. What cannot be done
/// here is explained when the file is opened.
pub(super) fn keep(database: &Path) {
    // Made without being opened: a process that closes a descriptor of a file gives up all its locks
    // on it, those of SQLite included.
    let _ = mknodat(CWD, database, FileType::RegularFile, Mode::RUSR | Mode::WUSR, 0);
    let mut is_told = false;
    for end in ["", "-wal", "-shm", "-owners"] {
        let path = beside(database, end);
        let Ok(about) = fs::symlink_metadata(&path) else { continue };
        let mode = about.permissions().mode() & 0o7777;
        let is_ours = about.is_file() || (about.is_dir() && end == "-owners");
        if !is_ours || mode & OTHERS == 0 {
            continue;
        }
        let change = fs::set_permissions(&path, Permissions::from_mode(mode & !OTHERS));
        if is_told {
            continue;
        }
        is_told = true;
        let (path, before) = (path.display(), format!("{mode:o}"));
        match change {
            Ok(()) => {
                warn!(%path, before, "others had rights on the task store; it is private now");
            }
            Err(error) => warn!(%path, before, %error, "others have rights on the task store"),
        }
    }
}

fn beside(database: &Path, end: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}
