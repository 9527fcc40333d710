//! Trees that resist: links, depths, locked directories.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;

use rustix::fs::{mkdirat, open};

use super::*;

struct Scratch(PathBuf);

impl Scratch {
    fn new(test: &str) -> Self {
        let name = format!("sundown-tree-{}-{test}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(path.join("top")).unwrap();
        Scratch(path)
    }

    fn top(&self) -> OwnedFd {
        open(self.0.join("top"), OFlags::DIRECTORY | OFlags::RDONLY, Mode::empty()).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn links_are_counted_and_removed_and_never_followed() {
    let scratch = Scratch::new("links");
    let top = scratch.0.join("top");
    fs::create_dir_all(scratch.0.join("outside")).unwrap();
    fs::write(scratch.0.join("outside/precious"), "x".repeat(1000)).unwrap();
    fs::create_dir_all(top.join("a/b")).unwrap();
    fs::write(top.join("a/b/file"), "12345").unwrap();
    symlink(scratch.0.join("outside"), top.join("dir-link")).unwrap();
    symlink(scratch.0.join("outside/precious"), top.join("a/file-link")).unwrap();
    symlink("/nowhere", top.join("a/b/dangling")).unwrap();
    symlink("..", top.join("a/loop")).unwrap();

    let dir = scratch.top();
    let measured = measure(dir.as_fd(), "a".as_ref());
    assert_eq!(measured, Tally { files: 4, bytes: 5 });
    assert_eq!(measure(dir.as_fd(), "dir-link".as_ref()), Tally { files: 1, bytes: 0 });
    assert!(open_dir(dir.as_fd(), "dir-link".as_ref()).is_err());

    let (tally, result) = empty(dir.as_fd());
    result.unwrap();
    assert_eq!(tally, Tally { files: 5, bytes: 5 });
    assert_eq!(fs::read_dir(&top).unwrap().count(), 0);
    assert!(scratch.0.join("outside/precious").exists());
}

#[test]
fn a_tree_of_any_depth_is_removed() {
    let scratch = Scratch::new("deep");
    let top = scratch.top();
    let mut dir = scratch.top();
    for _ in 0..3000 {
        mkdirat(&dir, "d", Mode::RWXU).unwrap();
        dir = open_dir(dir.as_fd(), "d".as_ref()).unwrap();
    }
    let flags = OFlags::CREATE | OFlags::WRONLY;
    drop(openat(&dir, "bottom", flags, Mode::RUSR).unwrap());
    let (tally, result) = remove(top.as_fd(), "d".as_ref());
    result.unwrap();
    assert_eq!(tally.files, 1);
    assert!(list(top.as_fd()).unwrap().is_empty());
}

#[test]
fn directories_that_even_their_owner_may_not_change_are_removed() {
    let scratch = Scratch::new("modes");
    let top = scratch.0.join("top");
    fs::create_dir_all(top.join("locked/inner/deepest")).unwrap();
    fs::write(top.join("locked/inner/file"), "x").unwrap();
    for path in ["locked/inner/deepest", "locked/inner", "locked"] {
        fs::set_permissions(top.join(path), fs::Permissions::from_mode(0o000)).unwrap();
    }
    let (tally, result) = empty(scratch.top().as_fd());
    result.unwrap();
    assert_eq!(tally, Tally { files: 1, bytes: 1 });
    assert_eq!(fs::read_dir(&top).unwrap().count(), 0);
}

#[test]
fn what_is_gone_already_is_no_error() {
    let scratch = Scratch::new("gone");
    let (tally, result) = remove(scratch.top().as_fd(), "never-was".as_ref());
    result.unwrap();
    assert_eq!(tally, Tally::default());
}
