//! `deploy binary`: the static binary of the image. One recipe, for the Dockerfile and for the tests.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::step::Step;

/// Where the tests of the image find the binary.
pub(crate) const VARIABLE: &str = "XTASK_IMAGE_BINARY";

/// Everything in one file, without the tables of lines: backtraces still name functions.
const FLAGS: &str = "-C target-feature=+crt-static -C strip=debuginfo";

/// Builds it, and copies it to where it is wanted.
pub(crate) fn run(root: &Path, out: Option<&Path>) -> anyhow::Result<()> {
    step()?.run()?;
    let built = path(root)?;
    let Some(out) = out else {
        println!("{}", built.display());
        return Ok(());
    };
    let copy = || {
        if let Some(folder) = out.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder)?;
        }
        fs::copy(&built, out)
    };
    let bytes = copy().with_context(|| {
        format!("cannot copy {} to {} (is it writable?)", built.display(), out.display())
    })?;
    println!("{}: {:.1} MiB", out.display(), bytes as f64 / f64::from(1 << 20));
    Ok(())
}

/// The step that builds it. With a target of its own, build scripts are not linked like this.
pub(crate) fn step() -> anyhow::Result<Step> {
    let triple = triple(std::env::consts::OS, std::env::consts::ARCH)?;
    let words = format!("build --release --locked --target {triple} -p sundown-cli");
    Ok(Step::cargo("image binary", &words).flags("RUSTFLAGS", FLAGS))
}

/// Where it is when it has been built.
pub(crate) fn path(root: &Path) -> anyhow::Result<PathBuf> {
    let triple = triple(std::env::consts::OS, std::env::consts::ARCH)?;
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    Ok(root.join(target).join(triple).join("release/sundown"))
}

/// The target on whose C library it is linked. The GNU one resolves names without loading anything.
fn triple(os: &str, architecture: &str) -> anyhow::Result<String> {
    match (os, architecture) {
        ("linux", "x86_64" | "aarch64") => Ok(format!("{architecture}-unknown-linux-gnu")),
        _ => bail!(
            "the image's binary is for Linux on x86_64 or aarch64, and this is {os} on \
             {architecture} (build the image there: its Dockerfile builds the binary by itself)"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_is_that_of_the_machine() {
        assert_eq!(triple("linux", "x86_64").unwrap(), "x86_64-unknown-linux-gnu");
        assert_eq!(triple("linux", "aarch64").unwrap(), "aarch64-unknown-linux-gnu");
        let error = triple("macos", "aarch64").unwrap_err().to_string();
        assert!(error.contains("this is macos on aarch64"), "{error}");
    }

    #[test]
    fn the_dockerfile_has_no_recipe_of_its_own() {
        let text = include_str!("../../../deploy/Dockerfile");
        assert!(text.contains("cargo xtask deploy binary --out /image/sundown"));
        assert!(!text.contains("cargo build") && !text.contains("RUSTFLAGS"), "{text}");
        assert!(step().unwrap().line().contains(" build --release --locked --target "));
    }
}
