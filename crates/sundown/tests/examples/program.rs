//! An example as a running program: started until it is ready, ended, and its lines looked up.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sundown_drill::cargo;
use sundown_drill::process::{Exit, Launch, Process, Stream};

/// Longer than anything here takes, even on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Builds an example and prepares to start it, untouched by where the test itself runs.
pub(crate) fn example(name: &str) -> Launch {
    Process::new(cargo::example("sundown", name).unwrap())
        .env_remove("GRACEFUL_SHUTDOWN_TIMEOUT")
        .env_remove("KUBERNETES_SERVICE_HOST")
        .env("RUST_BACKTRACE", "0")
}

/// Starts it and waits until it says that it is ready.
pub(crate) fn start(launch: Launch) -> Process {
    let process = launch.spawn().unwrap();
    wait_for(&process, "ready");
    process
}

/// Waits for a line that contains this.
pub(crate) fn wait_for(process: &Process, text: &str) {
    process.wait_for_line(|line| line.contains(text), PATIENCE).unwrap();
}

/// What a program has said by its end.
pub(crate) struct Ended {
    pub(crate) exit: Exit,
    pub(crate) lines: Vec<String>,
}

/// Waits for the end: with this exit code, nobody left behind, and the report as the last word.
pub(crate) fn end(process: Process, code: i32) -> Ended {
    let ended = end_without_report(process, code);
    let headline = ended.place(&format!("; exit {code}"));
    assert!(ended.lines[headline].starts_with("stopped "), "{}", ended.lines[headline]);
    let drawn = ended.lines[headline..].iter().any(|line| line.contains('█') || line.contains('▓'));
    assert!(drawn, "the report comes with its timeline:\n{}", ended.exit.stdout);
    ended
}

/// The same for a program that ends before there was a shutdown to report.
pub(crate) fn end_without_report(process: Process, code: i32) -> Ended {
    let exit = process.wait(PATIENCE).unwrap();
    let output = || format!("{}\n{}", exit.stdout, exit.stderr);
    assert_eq!(exit.code, Some(code), "{}", output());
    assert!(exit.left_behind.is_empty(), "left behind: {:?}\n{}", exit.left_behind, output());
    let stdout = exit.lines.iter().filter(|line| line.stream == Stream::Stdout);
    let lines = stdout.map(|line| line.text.clone()).collect();
    Ended { exit, lines }
}

impl Ended {
    /// Where the first line is that contains this.
    pub(crate) fn place(&self, text: &str) -> usize {
        let place = self.lines.iter().position(|line| line.contains(text));
        place.unwrap_or_else(|| panic!("no line has `{text}`:\n{}", self.exit.stdout))
    }

    /// Whether a line contains this.
    pub(crate) fn has(&self, text: &str) -> bool {
        self.lines.iter().any(|line| line.contains(text))
    }

    /// How many lines contain this.
    pub(crate) fn count(&self, text: &str) -> usize {
        self.lines.iter().filter(|line| line.contains(text)).count()
    }

    /// Demands lines that contain these, in this order.
    pub(crate) fn in_order(&self, texts: &[&str]) {
        let places: Vec<_> = texts.iter().map(|text| self.place(text)).collect();
        assert!(places.is_sorted(), "not in the order {texts:?}:\n{}", self.exit.stdout);
    }

    /// What stands between two texts on the one line that has both.
    pub(crate) fn between(&self, before: &str, after: &str) -> &str {
        let line = &self.lines[self.place(before)];
        let rest = line.split_once(before).unwrap().1;
        rest.split_once(after).unwrap_or_else(|| panic!("no `{after}` in `{line}`")).0
    }
}

/// A directory of one test, empty at its start and gone at its end.
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new(name: &str) -> Self {
        let name = format!("examples-{name}-{}", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Directory(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
