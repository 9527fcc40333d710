//! Tells the binary which commit it was built from, for `--version`, and whether the code was that of
//! the commit.

use std::env;
use std::fs;
use std::io;
use std::process::Command;

/// What the binary is made of: the workspace's manifest and lock, and the sources of its crates.
const MADE_OF: [&str; 3] = [":(top)Cargo.toml", ":(top)Cargo.lock", ":(top,glob)crates/*/src/**"];

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-env-changed=BUILD_COMMIT");
    // An image is built without the history: there, whoever builds it says the commit.
    let commit = env::var("BUILD_COMMIT").ok().filter(|commit| !commit.is_empty());
    let commit = match commit {
        Some(commit) => commit,
        None => {
            watch()?;
            from_git().unwrap_or_else(|| "unknown commit".to_owned())
        }
    };
    println!("cargo::rustc-env=BUILD_COMMIT={commit}");
    Ok(())
}

/// Looks again when a commit is made or any of the sources changes. Not seen is a crate that is new
/// in the workspace, until something else changes.
fn watch() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=../../Cargo.toml");
    println!("cargo::rerun-if-changed=../../Cargo.lock");
    for file in ["HEAD", "logs/HEAD"] {
        if let Some(path) = git(&["rev-parse", "--git-path", file]) {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    for entry in fs::read_dir("..")? {
        println!("cargo::rerun-if-changed={}", entry?.path().join("src").display());
    }
    Ok(())
}

fn from_git() -> Option<String> {
    let modified = git(&[&["status", "--porcelain", "--"], &MADE_OF[..]].concat())?;
    let mark = if modified.is_empty() { "" } else { "-modified" };
    let format = format!("--format=%h{mark} %cs");
    git(&["log", "-1", &format, "--abbrev=12"]).filter(|commit| !commit.is_empty())
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    output.status.success().then_some(text)
}
