//! `fuzz`: libFuzzer on the parsers, from the inputs that are kept; what it finds can be kept as well.

use std::fs;
use std::path::Path;
use std::str::FromStr;

use anyhow::{Context as _, bail};

use crate::step::Step;

/// The workspace of its own in which libFuzzer is built, with flags that nothing else has.
const MANIFEST: &str = "crates/sundown-fuzz/libfuzzer/Cargo.toml";
/// Where it is built, and where inputs are while it runs.
const FOLDER: &str = "target/fuzz";
/// The inputs that are kept, a file for each target.
const CORPUS: &str = "crates/sundown-fuzz/corpus";
/// How long each target runs, unless said otherwise.
const SECONDS: u64 = 60;
/// The largest input: what is longer finds nothing that a short one would not.
const LARGEST: usize = 4096;
/// What one input may take before that is a finding, in seconds and in MiB.
const SLOWEST: u64 = 10;
const MEMORY: u64 = 2048;
/// What the compiler is told to count, so that libFuzzer sees which inputs reach something new.
const COVERAGE: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";

/// What to try, for how long, and what becomes of what is found.
#[derive(Debug, PartialEq)]
pub(crate) struct Fuzz {
    /// The target; without one, every target after the other.
    target: Option<String>,
    seconds: u64,
    /// Whether new inputs are added to those that are kept.
    keep: bool,
}

impl Fuzz {
    pub(crate) fn parse(words: &[&str]) -> anyhow::Result<Self> {
        let mut fuzz = Fuzz { target: None, seconds: SECONDS, keep: false };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match *word {
                "--keep" => fuzz.keep = true,
                "--seconds" => {
                    let told = words.next().context("--seconds: how many?")?;
                    let seconds = u64::from_str(told).ok().filter(|seconds| *seconds > 0);
                    fuzz.seconds = seconds
                        .with_context(|| format!("--seconds takes a number, not `{told}`"))?;
                }
                flag if flag.starts_with('-') => bail!("`fuzz` does not take `{flag}`"),
                target if fuzz.target.is_none() => fuzz.target = Some(target.to_owned()),
                target => bail!("`fuzz` takes one target, and `{target}` is another one"),
            }
        }
        Ok(fuzz)
    }
}

/// Builds libFuzzer and runs the targets, one after the other.
pub(crate) fn run(root: &Path, fuzz: &Fuzz) -> anyhow::Result<()> {
    let known = targets(root)?;
    let wanted: Vec<String> = match &fuzz.target {
        None => known,
        Some(target) if known.contains(target) => vec![target.clone()],
        Some(other) => bail!("no target is called `{other}`; there are: {}", known.join(", ")),
    };
    let triple = host()?;
    build(&triple).run()?;
    for target in wanted {
        one(&triple, &target, fuzz)?;
    }
    Ok(())
}

/// One target: from the inputs that are kept to new ones, and back if those are to be kept.
fn one(triple: &str, target: &str, fuzz: &Fuzz) -> anyhow::Result<()> {
    let (inputs, findings) =
        (format!("{FOLDER}/{target}/inputs"), format!("{FOLDER}/{target}/findings/"));
    for folder in [&inputs, &findings] {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {folder}"))?;
    }
    corpus("unpack", target, &inputs).run()?;
    let program = format!("{FOLDER}/{triple}/release/sundown-libfuzzer");
    let libfuzzer =
        |name, words: Vec<String>| Step::program(name, &program, words).env("SUNDOWN_FUZZ", target);
    let mut words = limits();
    words.push(format!("-artifact_prefix={findings}"));
    words.push(format!("-max_total_time={}", fuzz.seconds));
    words.push("-print_final_stats=1".to_owned());
    words.push(inputs.clone());
    if let Err(error) = libfuzzer("fuzz", words).run() {
        bail!(
            "{error:#}\n`{target}` has a finding: its input is in {findings}; mend the parser, and add the \
             input to {CORPUS}/{target}.txt, under a comment"
        );
    }
    if fuzz.keep {
        let smallest = format!("{FOLDER}/{target}/smallest");
        let _ = fs::remove_dir_all(&smallest);
        fs::create_dir_all(&smallest).with_context(|| format!("cannot make {smallest}"))?;
        let mut words = limits();
        words.extend(["-merge=1".to_owned(), smallest.clone(), inputs]);
        libfuzzer("smallest", words).run()?;
        corpus("pack", target, &smallest).run()?;
    }
    Ok(())
}

fn limits() -> Vec<String> {
    let limits = [("max_len", LARGEST as u64), ("timeout", SLOWEST), ("rss_limit_mb", MEMORY)];
    limits.iter().map(|(name, value)| format!("-{name}={value}")).collect()
}

fn corpus(what: &str, target: &str, folder: &str) -> Step {
    let words =
        format!("run --locked --quiet -p sundown-fuzz --bin corpus -- {what} {target} {folder}");
    Step::cargo("corpus", &words)
}

/// With a target triple the flags are for the program alone, and not for what is run while it is built.
fn build(triple: &str) -> Step {
    let words = format!(
        "build --release --locked --manifest-path {MANIFEST} --target {triple} --target-dir {FOLDER}"
    );
    Step::cargo("libFuzzer", &words).env("CARGO_INCREMENTAL", "0").flags("RUSTFLAGS", COVERAGE)
}

/// The workspace's lock file is that of what stands in the repository.
pub(crate) fn lock_check() -> Step {
    let words = format!("update --workspace --locked --quiet --manifest-path {MANIFEST}");
    Step::cargo("lock file of the fuzz targets", &words)
}

/// The targets are those that have a corpus.
fn targets(root: &Path) -> anyhow::Result<Vec<String>> {
    let folder = root.join(CORPUS);
    let mut targets = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("cannot list {CORPUS}"))? {
        let name = entry.with_context(|| format!("cannot list {CORPUS}"))?.file_name();
        targets.extend(name.to_string_lossy().strip_suffix(".txt").map(str::to_owned));
    }
    targets.sort();
    Ok(targets)
}

fn host() -> anyhow::Result<String> {
    let told = Step::tool("compiler", "rustc", ["-vV".to_owned()]).read()?;
    let host = told.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("`rustc -vV` names no host")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_a_time_and_whether_to_keep_are_understood() {
        let fuzz = |target: Option<&str>, seconds, keep| Fuzz {
            target: target.map(str::to_owned),
            seconds,
            keep,
        };
        assert_eq!(Fuzz::parse(&[]).unwrap(), fuzz(None, SECONDS, false));
        let told = Fuzz::parse(&["url", "--seconds", "5", "--keep"]).unwrap();
        assert_eq!(told, fuzz(Some("url"), 5, true));
        for (words, named) in [
            (&["url", "shim"][..], "`shim`"),
            (&["--second", "5"], "`--second`"),
            (&["--seconds"], "how many"),
            (&["--seconds", "0"], "`0`"),
            (&["--seconds", "x"], "`x`"),
        ] {
            let error = Fuzz::parse(words).unwrap_err().to_string();
            assert!(error.contains(named), "{words:?}: {error}");
        }
    }

    #[test]
    fn an_unknown_target_is_answered_with_the_eight_there_are() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let unknown = Fuzz { target: Some("no-such".to_owned()), seconds: 1, keep: false };
        let error = run(&root, &unknown).unwrap_err().to_string();
        let known = "config, manifest, postgres-url, report, setting, shim, task, url";
        assert_eq!(error, format!("no target is called `no-such`; there are: {known}"));
    }

    #[test]
    fn libfuzzer_is_built_on_the_stable_compiler_with_its_own_lock_file() {
        let line = build("x86_64-unknown-linux-gnu").line();
        assert!(line.contains("--locked") && line.contains("sancov-module"), "{line}");
        assert!(!line.contains("nightly") && !line.contains(" -Z"), "{line}");
        assert!(lock_check().line().ends_with(MANIFEST), "{}", lock_check().line());
    }
}
