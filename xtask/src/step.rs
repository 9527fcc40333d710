//! One external command: announced, timed, and named in a sentence when it fails.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Instant;

use anyhow::{Context as _, bail};

/// A named command to run, as a person could type it.
#[derive(Debug)]
pub(crate) struct Step {
    name: &'static str,
    /// What a person types for the program.
    typed: String,
    program: OsString,
    arguments: Vec<String>,
    environment: Vec<(&'static str, String)>,
    path: Option<OsString>,
}

impl Step {
    /// A step that runs cargo with these words.
    pub(crate) fn cargo(name: &'static str, arguments: &str) -> Self {
        let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        Self::new(name, "cargo", program, arguments)
    }

    /// A step that runs git with these words.
    pub(crate) fn git(name: &'static str, arguments: &str) -> Self {
        Self::new(name, "git", "git".into(), arguments)
    }

    /// A step that runs another tool; its words may hold spaces.
    pub(crate) fn tool(
        name: &'static str,
        tool: &'static str,
        arguments: impl IntoIterator<Item = String>,
    ) -> Self {
        let arguments = arguments.into_iter().collect();
        Self { arguments, ..Self::new(name, tool, tool.into(), "") }
    }

    /// A step that runs a program that was built here.
    pub(crate) fn program(name: &'static str, path: &str, arguments: Vec<String>) -> Self {
        Self { arguments, ..Self::new(name, path, path.into(), "") }
    }

    fn new(name: &'static str, typed: &str, program: OsString, arguments: &str) -> Self {
        let arguments = arguments.split_whitespace().map(str::to_owned).collect();
        let typed = typed.to_owned();
        Self { name, typed, program, arguments, environment: Vec::new(), path: None }
    }

    /// Looks for the program here instead of on our own `PATH`.
    pub(crate) fn on_path(self, path: &OsStr) -> Self {
        Self { path: Some(path.to_owned()), ..self }
    }

    /// Sets a variable in the command's environment.
    pub(crate) fn env(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.environment.push((name, value.into()));
        self
    }

    /// Adds flags to what a variable such as `RUSTFLAGS` holds already.
    pub(crate) fn flags(self, name: &'static str, flags: &str) -> Self {
        let inherited = std::env::var(name).unwrap_or_default();
        self.env(name, format!("{inherited} {flags}").trim())
    }

    /// The step's name.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// The command as a person would type it.
    pub(crate) fn line(&self) -> String {
        let mut line = String::new();
        for (name, value) in &self.environment {
            line += &format!("{name}='{value}' ");
        }
        line += &self.typed;
        for argument in &self.arguments {
            let quote = if argument.contains([' ', '{', '"']) { "'" } else { "" };
            line += &format!(" {quote}{argument}{quote}");
        }
        line
    }

    /// Runs the command, announced and timed; what it prints is seen at once.
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        timed(self.name, || {
            println!("   {}", self.line());
            self.run_bare()
        })
    }

    /// Runs the command and prints nothing of our own, so that its output can be piped on.
    pub(crate) fn run_bare(&self) -> anyhow::Result<()> {
        let status = self.command().status().with_context(|| self.cannot_start())?;
        self.judge(status)
    }

    /// As [`run`](Self::run), and returns what the command wrote to its standard output.
    pub(crate) fn run_and_read(&self) -> anyhow::Result<String> {
        timed(self.name, || {
            println!("   {}", self.line());
            let mut command = self.command();
            let spawned = command.stdout(Stdio::piped()).spawn();
            let mut child = spawned.with_context(|| self.cannot_start())?;
            let mut read = String::new();
            let stdout = child.stdout.take().context("its standard output was piped")?;
            for line in BufReader::new(stdout).lines() {
                let line = line.with_context(|| format!("cannot read from `{}`", self.line()))?;
                println!("{line}");
                read = read + &line + "\n";
            }
            self.judge(child.wait().with_context(|| self.cannot_start())?)?;
            Ok(read)
        })
    }

    /// What the command writes to its standard output, read silently.
    pub(crate) fn read(&self) -> anyhow::Result<String> {
        let output = self.command().output().with_context(|| self.cannot_start())?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("`{}` failed ({}): {}", self.line(), output.status, said.trim());
        }
        String::from_utf8(output.stdout)
            .with_context(|| format!("`{}` printed something that is not UTF-8", self.line()))
    }

    fn judge(&self, status: ExitStatus) -> anyhow::Result<()> {
        if !status.success() {
            bail!("`{}` failed ({status}): see above", self.line());
        }
        Ok(())
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.envs(self.path.iter().map(|path| ("PATH", path)));
        command
    }

    fn cannot_start(&self) -> String {
        format!("cannot run `{}` (is {} on PATH?)", self.line(), self.typed)
    }
}

/// Runs a piece of work between two lines that say its name and how long it took.
pub(crate) fn timed<T>(name: &str, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
    println!("== {name} …");
    // The line must stand before what the command prints, wherever both go.
    std::io::stdout().flush().context("cannot write to standard output")?;
    let start = Instant::now();
    let done = work();
    let failed = if done.is_ok() { "" } else { " FAILED after" };
    println!("== {name} …{failed} {:.1} s", start.elapsed().as_secs_f64());
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_reads_as_a_person_would_type_it() {
        let step = Step::cargo("loom", "test -p sundown").env("RUSTFLAGS", "--cfg sundown_loom");
        assert_eq!(step.line(), "RUSTFLAGS='--cfg sundown_loom' cargo test -p sundown");
    }

    #[test]
    fn a_failed_step_names_the_command_and_what_it_said() {
        let error = Step::cargo("odd", "no-such-command").read().unwrap_err().to_string();
        assert!(
            error.starts_with("`cargo no-such-command` failed (exit status: 101): "),
            "{error}"
        );
        assert!(error.contains("no such command"), "{error}");
    }
}
