//! How a process is to be started: program, arguments, environment, and hostile outputs.

use std::ffi::OsStr;
use std::io::{self, PipeReader, PipeWriter, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use super::{Error, Process, Stream};

/// What is at the other end of a process's standard output or standard error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Output {
    /// A reader that records every line.
    #[default]
    Captured,
    /// Nobody any more: the other end is closed, every write fails with EPIPE (or SIGPIPE).
    Closed,
    /// A pipe that is full and never read: the first write blocks for ever.
    FullPipe,
}

/// A process to be started; made by [`Process::new`].
#[derive(Debug)]
#[must_use = "nothing runs before `spawn()`"]
pub struct Launch {
    command: Command,
    stdout: Output,
    stderr: Output,
}

impl Launch {
    pub(super) fn new(program: impl AsRef<OsStr>) -> Self {
        let mut command = Command::new(program);
        command.process_group(0).stdin(Stdio::null());
        Self { command, stdout: Output::default(), stderr: Output::default() }
    }

    /// Adds an argument.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    /// Adds arguments.
    pub fn args(mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.command.args(arguments);
        self
    }

    /// Sets a variable in the process's environment, which is ours otherwise.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Takes a variable out of the process's environment.
    pub fn env_remove(mut self, name: impl AsRef<OsStr>) -> Self {
        self.command.env_remove(name);
        self
    }

    /// Starts the process in this directory instead of ours.
    pub fn current_dir(mut self, directory: impl AsRef<Path>) -> Self {
        self.command.current_dir(directory);
        self
    }

    /// Says what is at the other end of its standard output: [`Output::Captured`] if not told.
    pub fn stdout(mut self, output: Output) -> Self {
        self.stdout = output;
        self
    }

    /// Says what is at the other end of its standard error: [`Output::Captured`] if not told.
    pub fn stderr(mut self, output: Output) -> Self {
        self.stderr = output;
        self
    }

    /// Starts the process in a process group of its own, with nothing on its standard input.
    ///
    /// # Errors
    /// [`Error::Start`] when the program, a pipe or a watching thread cannot be started; nothing
    /// is left running then.
    pub fn spawn(mut self) -> Result<Process, Error> {
        let command = self.describe();
        let started = self.start();
        started
            .and_then(|started| Process::watch(command.clone(), started))
            .map_err(|source| Error::Start { command, source })
    }

    fn start(&mut self) -> io::Result<Started> {
        let mut unread = Vec::new();
        let stdout = far_end(self.stdout, &mut unread)?;
        let stderr = far_end(self.stderr, &mut unread)?;
        let at = Instant::now();
        let child = self.command.stdout(stdout).stderr(stderr).spawn()?;
        Ok(Started { at, child, unread })
    }

    /// The program and its arguments, as errors name them.
    fn describe(&self) -> String {
        let program = Path::new(self.command.get_program()).display().to_string();
        self.command.get_args().fold(program, |text, argument| {
            let argument = argument.to_string_lossy();
            let quote = if argument.is_empty() || argument.contains(' ') { "'" } else { "" };
            format!("{text} {quote}{argument}{quote}")
        })
    }
}

/// A child that runs, and the readers of its full pipes, which must stay open and unread.
pub(super) struct Started {
    pub(super) at: Instant,
    pub(super) child: Child,
    pub(super) unread: Vec<PipeReader>,
}

impl Started {
    /// The streams to record.
    pub(super) fn captured(&mut self) -> Vec<(Stream, Box<dyn io::Read + Send>)> {
        let mut captured: Vec<(Stream, Box<dyn io::Read + Send>)> = Vec::new();
        if let Some(stdout) = self.child.stdout.take() {
            captured.push((Stream::Stdout, Box::new(stdout)));
        }
        if let Some(stderr) = self.child.stderr.take() {
            captured.push((Stream::Stderr, Box::new(stderr)));
        }
        captured
    }
}

/// The end of an output that the process gets; a reader that must live is put aside.
fn far_end(output: Output, unread: &mut Vec<PipeReader>) -> io::Result<Stdio> {
    match output {
        Output::Captured => Ok(Stdio::piped()),
        Output::Closed => {
            let (reader, writer) = io::pipe()?;
            drop(reader);
            Ok(writer.into())
        }
        Output::FullPipe => {
            let (reader, mut writer) = io::pipe()?;
            fill(&mut writer)?;
            unread.push(reader);
            Ok(writer.into())
        }
    }
}

/// Writes until not one byte more fits: first pages, then bytes, since a pipe takes a page whole
/// or not at all.
fn fill(writer: &mut PipeWriter) -> io::Result<()> {
    rustix::io::ioctl_fionbio(&*writer, true)?;
    for chunk in [&[b'.'; 4096][..], b"."] {
        loop {
            match writer.write(chunk) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
    }
    Ok(rustix::io::ioctl_fionbio(&*writer, false)?)
}
