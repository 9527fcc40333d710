//! The kind `command`: runs one of the programs that the configuration names. What a task sends are
//! arguments and an input, as data; there is no shell.

mod begin;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod orphans;
mod output;
mod process;
mod room;
pub(crate) mod shim;
mod speech;
mod watched;
mod word;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sundown::BoxError;
use sundown_tasks::{Kind, Task, TaskContext, TaskError};

pub(crate) use self::orphans::sweep;
use self::process::Finished;
pub(crate) use self::room::Rooms;

/// The most arguments a task may add, and the most bytes of them.
const ARGUMENTS: usize = 64;
const ARGUMENT_BYTES: usize = 64 * 1024;

/// The longest time between SIGTERM and SIGKILL: an attempt that is told to stop is dropped after
/// 5 s, and its program with it.
pub(crate) const LONGEST_GRACE: Duration = Duration::from_millis(4500);

/// A directory for one attempt, gone when it is dropped.
pub(crate) trait Workplace: Send {
    fn path(&self) -> &std::path::Path;
}

type Opening = Pin<Box<dyn Future<Output = Result<Box<dyn Workplace>, BoxError>> + Send>>;
/// Where attempts get their directories from.
pub(crate) type Workplaces = Arc<dyn Fn() -> Opening + Send + Sync>;

/// A program that tasks may run.
#[derive(Debug, Clone)]
pub(crate) struct Command {
    pub(crate) program: PathBuf,
    /// Those that stand before the task's own.
    pub(crate) arguments: Vec<String>,
    /// Whether tasks may add their own.
    pub(crate) takes_arguments: bool,
    /// Variables it gets besides `PATH`, `HOME` and `LANG`.
    pub(crate) environment: BTreeMap<String, String>,
    /// How long it has between SIGTERM and SIGKILL.
    pub(crate) grace: Duration,
    /// How many bytes of each of its outputs are kept.
    pub(crate) output_limit: usize,
    /// Whether each line it writes is progress.
    pub(crate) tells_lines: bool,
}

impl Command {
    /// Why its program cannot be started on this machine as it is now, if it cannot.
    pub(crate) fn why_it_cannot_start(&self) -> Option<String> {
        match std::fs::metadata(&self.program) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Some("does not exist".to_owned())
            }
            Err(error) => Some(format!("cannot be looked at: {error}")),
            Ok(found) if !found.is_file() => Some("is not a file".to_owned()),
            Ok(_) if !is_executable(&self.program) => {
                Some("is not executable for this user (chmod +x)".to_owned())
            }
            Ok(_) => None,
        }
    }
}

#[cfg(unix)]
fn is_executable(program: &std::path::Path) -> bool {
    rustix::fs::access(program, rustix::fs::Access::EXEC_OK).is_ok()
}

#[cfg(not(unix))]
fn is_executable(_: &std::path::Path) -> bool {
    true
}

/// All programs that tasks may run.
pub(crate) struct Commands {
    pub(crate) by_name: BTreeMap<String, Command>,
    pub(crate) workplaces: Workplaces,
    pub(crate) rooms: Arc<Rooms>,
}

/// What a task sends.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    command: String,
    #[serde(default)]
    args: Vec<String>,
    #[serde(default)]
    stdin: Option<String>,
}

/// What came of it.
#[derive(Debug, Serialize)]
pub(crate) struct Output {
    exit_code: i32,
    stdout: String,
    stderr: String,
    /// Whether more was written than was kept.
    is_truncated: bool,
}

impl Commands {
    /// The kind. Its routes are the names of the commands: replicas may have different ones.
    pub(crate) fn kind(self) -> Kind {
        let by_name = self.by_name.clone();
        let names: Vec<String> = by_name.keys().cloned().collect();
        Kind::new(self)
            .checking(check)
            .routed(names, |input: &Input| input.command.clone())
            .running_here(move |input: &Input| find(&by_name, input).map(drop))
    }
}

impl Task for Commands {
    const KIND: &'static str = "command";
    type Input = Input;
    type Output = Output;

    async fn run(&self, input: Input, context: TaskContext) -> Result<Output, TaskError> {
        // It was looked at just before: this is the command of this process.
        let command = find(&self.by_name, &input)?;
        match process::run(self, command, &input, &context).await? {
            Finished::Stopped => Err(TaskError::unfinished()),
            Finished::By { code: 0, kept } => Ok(Output {
                exit_code: 0,
                stdout: kept.stdout,
                stderr: kept.stderr,
                is_truncated: kept.is_truncated,
            }),
            Finished::By { code, kept } => {
                let last = kept.stderr.trim_end().lines().last().unwrap_or("it said nothing");
                Err(format!("`{}` ended with {code}: {last}", input.command).into())
            }
        }
    }
}

/// What no process accepts, whatever its commands are.
fn check(input: &Input) -> Result<(), String> {
    let bytes: usize = input.args.iter().map(String::len).sum();
    if input.args.len() > ARGUMENTS || bytes > ARGUMENT_BYTES {
        return Err(format!("at most {ARGUMENTS} arguments with {ARGUMENT_BYTES} bytes"));
    }
    if input.args.iter().any(|argument| argument.contains('\0')) {
        return Err("an argument cannot hold a zero byte".to_owned());
    }
    Ok(())
}

/// The command, if this process can run it with this.
fn find<'a>(by_name: &'a BTreeMap<String, Command>, input: &Input) -> Result<&'a Command, String> {
    let command = by_name.get(&input.command).ok_or_else(|| {
        let known: Vec<&str> = by_name.keys().map(String::as_str).collect();
        let (name, known) = (&input.command, known.join(", "));
        format!("there is no command `{name}` here (there are: {known})")
    })?;
    if !command.takes_arguments && !input.args.is_empty() {
        return Err(format!("the command `{}` takes no arguments", input.command));
    }
    Ok(command)
}
