//! Programs to drive are built on demand, and a failed build says why.

use std::time::Duration;

use sundown_drill::cargo::{Error, binary, example};
use sundown_drill::process::Process;

const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn an_example_is_built_and_runs_as_a_real_process() {
    let program = example("sundown-drill", "stop").unwrap();
    let script = "trap 'exit 0' TERM; echo ready; while :; do sleep 0.01; done";
    let exit = Process::new(program).args(["sh", "-c", script]).spawn().unwrap();
    let exit = exit.wait(PATIENCE).unwrap();
    assert_eq!(exit.code, Some(0), "{}{}", exit.stdout, exit.stderr);
    assert!(exit.stdout.contains("exit code 0 after"), "{}", exit.stdout);
}

#[test]
fn asked_again_the_same_program_is_there() {
    let first = example("sundown-drill", "stop").unwrap();
    assert_eq!(example("sundown-drill", "stop").unwrap(), first);
    assert!(first.is_file());
}

#[test]
fn a_missing_example_or_binary_is_an_error_with_the_words_of_cargo() {
    for (built, what) in [
        (example("sundown-drill", "no-such"), "example no-such of package sundown-drill"),
        (binary("sundown-drill", "no-such"), "bin no-such of package sundown-drill"),
    ] {
        let error = built.unwrap_err();
        assert!(error.to_string().starts_with(&format!("cannot build {what}")), "{error}");
        let Error::Build { output, .. } = error else { panic!("{error}") };
        assert!(output.contains("no-such"), "{output}");
    }
}

#[test]
fn a_binary_is_built_and_runs_as_a_real_process() {
    let program = binary("xtask", "xtask").unwrap();
    let exit = Process::new(program).arg("help").spawn().unwrap().wait(PATIENCE).unwrap();
    assert_eq!(exit.code, Some(0), "{}", exit.stderr);
    assert!(exit.stdout.contains("cargo xtask test"), "{}", exit.stdout);
}
