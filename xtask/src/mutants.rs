//! `mutants`: whether the unit tests of the core's pure parts notice when the code is changed.
//!
//! Not part of `test`: it builds the core once for each mutant. A mutant that nothing notices needs a
//! test; one that changes nothing would be listed with its reason in `.cargo/mutants.toml`, and there is none.

use anyhow::bail;

use crate::step::Step;

/// The pure parts: no clock, no I/O, no await.
const PURE: &[&str] = &["dag.rs", "plan.rs", "run.rs", "run/*.rs"];

/// Tries all of them, or one file.
pub(crate) fn run(file: Option<&str>) -> anyhow::Result<()> {
    let probe = std::process::Command::new("cargo").args(["mutants", "--version"]).output();
    if !probe.is_ok_and(|probe| probe.status.success()) {
        bail!("cargo-mutants is missing (`cargo install cargo-mutants --locked`)");
    }
    step(file).run()
}

fn step(file: Option<&str>) -> Step {
    let files = match file {
        Some(file) => format!("--file {file} "),
        None => PURE.iter().map(|file| format!("--file crates/sundown/src/{file} ")).collect(),
    };
    let words =
        format!("mutants --package sundown --no-shuffle --output target {files}-- --locked --lib");
    Step::cargo("mutants", &words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_file_all_pure_parts_are_tried() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/sundown/src");
        for file in PURE.iter().filter(|file| !file.contains('*')) {
            assert!(root.join(file).is_file(), "{file}");
            assert!(format!("{:?}", step(None)).contains(file), "{file}");
        }
        assert!(!format!("{:?}", step(Some("x.rs"))).contains("dag.rs"));
    }
}
