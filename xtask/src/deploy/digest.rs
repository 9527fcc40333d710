//! A digest of files, by which a rendered copy knows what it was made from. It finds changes; it is no
//! protection against somebody who forges one.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// FNV-1a with 64 bits, begun once and fed piece by piece.
#[derive(Debug)]
pub(super) struct Digest(u64);

impl Digest {
    pub(super) fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    /// Feeds it a piece. How long it is counts, so that pieces do not run into one another.
    pub(super) fn add(&mut self, piece: &[u8]) {
        for byte in piece.iter().chain(&(piece.len() as u64).to_le_bytes()) {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    pub(super) fn text(&self) -> String {
        format!("{:016x}", self.0)
    }

    pub(super) fn of(text: &str) -> String {
        let mut digest = Self::new();
        digest.add(text.as_bytes());
        digest.text()
    }
}

/// The digest of all files below these folders: their names, and what is in them.
pub(super) fn of_folders(root: &Path, folders: &[&str]) -> anyhow::Result<String> {
    let mut digest = Digest::new();
    for folder in folders {
        for path in files(&root.join(folder))? {
            let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
            digest.add(name.as_bytes());
            let content =
                fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            digest.add(&content);
        }
    }
    Ok(digest.text())
}

/// All files below a folder, in the order of their names.
fn files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    for entry in entries {
        let path = entry.with_context(|| format!("cannot list {}", folder.display()))?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_do_not_run_into_one_another() {
        let of = |pieces: &[&str]| {
            let mut digest = Digest::new();
            pieces.iter().for_each(|piece| digest.add(piece.as_bytes()));
            digest.text()
        };
        assert_eq!(of(&["a", "b"]), of(&["a", "b"]));
        assert_ne!(of(&["a", "b"]), of(&["ab", ""]));
        assert_ne!(of(&["ab"]), of(&["ba"]));
        assert_ne!(of(&[]), of(&[""]));
        assert_eq!(of(&["x"]).len(), 16);
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let error = of_folders(Path::new("/no/such"), &["base"]).unwrap_err();
        assert!(format!("{error:#}").contains("cannot list /no/such/base"), "{error:#}");
    }
}
