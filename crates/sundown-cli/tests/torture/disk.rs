//! A small disk that is full when the test wants it to be.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::service::Scratch;

/// Room for the database and its journal, and quickly filled.
const SIZE: &str = "size=160m";

/// A file system of its own, unmounted when it is dropped, and when the test itself is killed.
pub(crate) struct Disk {
    guard: Child,
    place: Option<Scratch>,
}

impl Disk {
    /// Nothing without the right to mount one.
    pub(crate) fn mount() -> Option<Self> {
        let place = Scratch::new();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", SIZE, "sundown-torture"])
            .arg(&place.0)
            .stderr(Stdio::null())
            .status();
        if !mounted.is_ok_and(|status| status.success()) {
            return None;
        }
        let guard = Command::new("/bin/sh")
            .args(["-c", "trap '' INT TERM; read -r _; umount -l \"$0\""])
            .arg(&place.0)
            .current_dir("/")
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        Some(Disk { guard, place: Some(place) })
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.place.as_ref().unwrap().path(name)
    }

    /// Not one byte more fits until this is dropped.
    pub(crate) fn fill(&self) -> Full {
        let path = PathBuf::from(self.path("filler"));
        let mut filler = File::create(&path).unwrap();
        for size in [64 << 10, 4096] {
            let piece = vec![b'.'; size];
            while filler.write_all(&piece).is_ok() {}
        }
        Full(path)
    }
}

/// A disk without room.
pub(crate) struct Full(PathBuf);

impl Drop for Full {
    fn drop(&mut self) {
        fs::remove_file(&self.0).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        self.guard.wait().unwrap();
        self.place = None;
    }
}
