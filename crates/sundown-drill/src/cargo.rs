//! Builds the examples and binaries of this workspace that tests drive as real processes.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use std::{env, fmt, io};

use crate::process::{self, Process};

/// A build from cold on a small machine ends well within this.
const BUILD: Duration = Duration::from_secs(900);

/// What has been built by this process; the lock is held through a build, so each happens once.
static BUILT: Mutex<BTreeSet<(Kind, String, String)>> = Mutex::new(BTreeSet::new());

/// Builds the example `name` of `package`, once per process, and returns its path.
///
/// So a test that was asked for alone (`cargo test -p sundown --test signals`) finds the program
/// it drives, and never finds an old one. The build uses the target directory, the target triple
/// and the profile that the running test was built with.
///
/// # Errors
/// [`Error::Place`] when the caller is not a test that cargo has built, [`Error::Build`] when the
/// example does not exist or does not compile: the error holds the compiler's output.
pub fn example(package: &str, name: &str) -> Result<PathBuf, Error> {
    build(Kind::Example, package, name)
}

/// Builds the binary `name` of `package`, once per process, and returns its path.
///
/// # Errors
/// As [`example`].
pub fn binary(package: &str, name: &str) -> Result<PathBuf, Error> {
    build(Kind::Binary, package, name)
}

/// Why a program to drive could not be had.
///
/// `{:?}` prints the same text as `{}`: tests that return an error show it through `Debug`.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The running program is not in a target directory.
    #[error(
        "cannot tell the target directory from {}: not in …/target/PROFILE/deps \
         (call this from an integration or unit test; doctests run elsewhere)", path.display()
    )]
    Place {
        /// The running program.
        path: PathBuf,
    },
    /// The running program's path is unknown.
    #[error("cannot find the running test's own path: {0} (is /proc mounted?)")]
    Unknown(#[from] io::Error),
    /// Cargo could not be run, or took for ever.
    #[error(transparent)]
    Cargo(#[from] process::Error),
    /// Cargo failed.
    #[error(
        "cannot build {what}: cargo failed (check its name, or mend what cargo says):\n{output}"
    )]
    Build {
        /// The example or binary, and its package.
        what: String,
        /// What cargo printed.
        output: String,
    },
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Example,
    Binary,
}

impl Kind {
    fn option(self) -> &'static str {
        match self {
            Self::Example => "--example",
            Self::Binary => "--bin",
        }
    }
}

fn build(kind: Kind, package: &str, name: &str) -> Result<PathBuf, Error> {
    let place = Place::of(&env::current_exe()?, Path::is_file)?;
    let artifact = place.artifact(kind, name);
    let key = (kind, package.to_owned(), name.to_owned());
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    if !built.contains(&key) {
        run_cargo(&place, kind, package, name)?;
        built.insert(key);
    }
    Ok(artifact)
}

fn run_cargo(place: &Place, kind: Kind, package: &str, name: &str) -> Result<(), Error> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut build = Process::new(cargo)
        .args(["build", "--quiet", "--locked", "--package", package, kind.option(), name])
        .args(["--profile", place.cargo_profile()])
        .arg("--target-dir")
        .arg(&place.target_dir);
    if let Some(triple) = &place.triple {
        build = build.args(["--target", triple]);
    }
    // A test may have changed its directory; its package's is inside the workspace.
    if let Some(directory) = env::var_os("CARGO_MANIFEST_DIR") {
        build = build.current_dir(directory);
    }
    let exit = build.spawn()?.wait(BUILD)?;
    if exit.code == Some(0) {
        return Ok(());
    }
    let what = format!("{} {name} of package {package}", kind.option().trim_start_matches('-'));
    Err(Error::Build { what, output: exit.stderr })
}

/// Where cargo put the running test, and so where it puts the rest.
#[derive(Debug, PartialEq)]
struct Place {
    target_dir: PathBuf,
    /// Given when cargo was told `--target`.
    triple: Option<String>,
    /// The folder named after the profile.
    profile: String,
}

impl Place {
    /// Reads `…/target/[TRIPLE/]PROFILE/deps/test-hash`; cargo marks the target directory's root.
    fn of(test: &Path, is_file: impl Fn(&Path) -> bool) -> Result<Self, Error> {
        let parse = || {
            let deps = test.parent().filter(|deps| deps.ends_with("deps"))?;
            let profile_dir = deps.parent()?;
            let profile = profile_dir.file_name()?.to_str()?.to_owned();
            let above = profile_dir.parent()?;
            if is_file(&above.join("CACHEDIR.TAG")) {
                return Some(Self { target_dir: above.to_owned(), triple: None, profile });
            }
            let triple = Some(above.file_name()?.to_str()?.to_owned());
            Some(Self { target_dir: above.parent()?.to_owned(), triple, profile })
        };
        parse().ok_or_else(|| Error::Place { path: test.to_owned() })
    }

    /// The profile's name: the folder of `dev` is called `debug`.
    fn cargo_profile(&self) -> &str {
        if self.profile == "debug" { "dev" } else { &self.profile }
    }

    fn artifact(&self, kind: Kind, name: &str) -> PathBuf {
        let mut path = self.target_dir.clone();
        path.extend(&self.triple);
        path.push(&self.profile);
        match kind {
            Kind::Example => path.push("examples"),
            Kind::Binary => {}
        }
        path.join(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(test: &str, profile: &str, example: &str, binary: &str) {
        let place = Place::of(Path::new(test), |path| path == Path::new("/w/target/CACHEDIR.TAG"));
        let place = place.unwrap();
        assert_eq!(place.target_dir, Path::new("/w/target"));
        assert_eq!(place.cargo_profile(), profile);
        assert_eq!(place.artifact(Kind::Example, "x"), Path::new(example));
        assert_eq!(place.artifact(Kind::Binary, "x"), Path::new(binary));
    }

    #[test]
    fn programs_lie_beside_the_test_in_every_profile_and_target() {
        check("/w/target/debug/deps/t-0", "dev", "/w/target/debug/examples/x", "/w/target/debug/x");
        check(
            "/w/target/release/deps/t-0",
            "release",
            "/w/target/release/examples/x",
            "/w/target/release/x",
        );
        check(
            "/w/target/musl/debug/deps/t-0",
            "dev",
            "/w/target/musl/debug/examples/x",
            "/w/target/musl/debug/x",
        );
    }

    #[test]
    fn a_program_outside_a_target_directory_is_told_where_to_be() {
        let error = Place::of(Path::new("/tmp/doctest/rust_out"), |_| false).unwrap_err();
        assert!(error.to_string().contains("/tmp/doctest/rust_out"), "{error}");
        assert!(error.to_string().contains("call this from an integration or unit test"));
    }
}
