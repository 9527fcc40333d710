//! `test`: everything that must hold before a change is accepted, in one command.

use std::path::Path;
use std::time::Instant;

use anyhow::{anyhow, bail};

use crate::step::{Step, timed};
use crate::{audit, bench, deploy, docs, fuzz, needs, tidy};

/// One thing that must hold.
enum Check {
    /// A command that must succeed.
    Succeeds(Step),
    /// A test run in which at least one test must pass: a filter that finds none succeeds too.
    RunsTests(Step),
    /// The advisories that are pinned here.
    Audit,
    /// The rules of the house.
    Tidy,
}

impl Check {
    fn name(&self) -> &'static str {
        match self {
            Self::Succeeds(step) | Self::RunsTests(step) => step.name(),
            Self::Audit => "audit",
            Self::Tidy => "tidy",
        }
    }

    fn command(&self) -> String {
        match self {
            Self::Succeeds(step) | Self::RunsTests(step) => step.line(),
            Self::Audit => "cargo xtask audit".to_owned(),
            Self::Tidy => "cargo xtask tidy".to_owned(),
        }
    }

    fn run(&self, root: &Path) -> anyhow::Result<()> {
        match self {
            Self::Succeeds(step) => step.run(),
            Self::RunsTests(step) => {
                let output = step.run_and_read()?;
                if tests_passed(&output) == 0 {
                    bail!("no test ran: its filter finds none (was the module renamed?)");
                }
                Ok(())
            }
            Self::Audit => timed("audit", || {
                println!("{}", audit::offline(root)?);
                Ok(())
            }),
            Self::Tidy => timed("tidy", || tidy::run(root)),
        }
    }
}

/// Runs the checks in order; stops at the first that fails.
pub(crate) fn run(root: &Path, full: bool) -> anyhow::Result<()> {
    needs::check()?;
    let start = Instant::now();
    let checks = checks(root, full)?;
    for check in &checks {
        check.run(root).map_err(|error| {
            eprintln!("{error:#}");
            anyhow!("FAILED at {}: run `{}`", check.name(), check.command())
        })?;
    }
    let seconds = start.elapsed().as_secs();
    println!("{}", ending(checks.len(), seconds, deploy::reason_not_to_compare().as_deref()));
    Ok(())
}

/// The last word: what passed, and what was left out.
fn ending(steps: usize, seconds: u64, not_compared: Option<&str>) -> String {
    let passed = format!("xtask test: {steps} steps passed in {seconds} s");
    let Some(why) = not_compared else { return passed };
    format!(
        "{passed}\nxtask test: NOT RUN: whether deploy/rendered is what kustomize makes, byte for byte: {why}"
    )
}

/// Cheap checks first. Benches are left out of the tests: they measure, and assert nothing.
/// Examples are built as the programs they are: `cargo test --examples` makes harnesses of them.
fn checks(root: &Path, full: bool) -> anyhow::Result<Vec<Check>> {
    let test = |step: Step| if full { step.env("XTASK_FULL", "1") } else { step };
    let image_binary = deploy::image_binary(root)?.display().to_string();
    let loom = "test -p sundown --lib --release --locked --target-dir target/loom loom";
    let mut checks = vec![Check::Succeeds(Step::cargo("fmt", "fmt --all --check"))];
    checks.extend(bench::lock_checks(root)?.into_iter().map(Check::Succeeds));
    checks.push(Check::Succeeds(fuzz::lock_check()));
    checks.push(Check::Audit);
    checks.extend([
        Check::Succeeds(Step::cargo(
            "clippy",
            "clippy --workspace --all-targets --all-features --locked -- -D warnings",
        )),
        Check::Tidy,
        Check::Succeeds(Step::cargo(
            "examples",
            "build --workspace --examples --all-features --locked",
        )),
        Check::Succeeds(deploy::build_image_binary()?),
        Check::RunsTests(test(
            Step::cargo("tests", "test --workspace --lib --bins --tests --all-features --locked")
                .env(deploy::IMAGE_BINARY, image_binary),
        )),
        Check::RunsTests(test(Step::cargo(
            "doctests",
            "test --workspace --doc --all-features --locked",
        ))),
        Check::RunsTests(test(Step::cargo("loom", loom).flags("RUSTFLAGS", "--cfg sundown_loom"))),
        Check::Succeeds(docs::step()),
    ]);
    Ok(checks)
}

/// Sums the test harnesses' lines `test result: ok. 12 passed; …`.
fn tests_passed(output: &str) -> usize {
    output
        .lines()
        .filter_map(|line| line.strip_prefix("test result: ")?.split_once(". "))
        .filter_map(|(_, counts)| counts.split_once(" passed")?.0.parse::<usize>().ok())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_without_a_test_is_told_from_ten() {
        let counts = "0 failed; 0 ignored; 0 measured; 3 filtered out; finished in 0.00s";
        let result = |passed: u32| format!("test result: ok. {passed} passed; {counts}\n");
        assert_eq!(tests_passed(&result(0)), 0);
        assert_eq!(tests_passed(&result(10)), 10);
        assert_eq!(tests_passed(&(result(0) + "noise\n" + &result(2))), 2);
        assert_eq!(tests_passed(""), 0);
    }

    #[test]
    fn what_was_left_out_is_the_last_that_is_said() {
        assert_eq!(ending(9, 60, None), "xtask test: 9 steps passed in 60 s");
        let told = ending(9, 60, Some("cannot run `kubectl` (is kubectl on PATH?)"));
        let last = told.lines().last().unwrap();
        assert!(last.starts_with("xtask test: NOT RUN: whether deploy/rendered"), "{told}");
        assert!(last.ends_with("(is kubectl on PATH?)"), "{told}");
    }

    #[test]
    fn full_reaches_every_test_step_and_no_other() {
        let full = |wanted| {
            let checks = checks(Path::new("/here"), wanted).unwrap();
            let told = checks.iter().filter(|check| check.command().contains("XTASK_FULL='1'"));
            told.map(Check::name).collect::<Vec<_>>()
        };
        assert_eq!(full(true), ["tests", "doctests", "loom"]);
        assert!(full(false).is_empty());
    }

    #[test]
    fn every_step_that_resolves_dependencies_obeys_the_lock_file() {
        for check in checks(Path::new("/here"), true).unwrap() {
            let command = check.command();
            let resolves = !matches!(check.name(), "fmt" | "audit" | "tidy");
            assert_eq!(command.contains("--locked"), resolves, "{command}");
        }
    }
}
