//! How things ended: a waiter's outcome, what its body may return, and the process's exit code.

use std::error::Error;
use std::fmt;
use std::io::{Write as _, stderr};
use std::process::{ExitCode, Termination};

use serde::{Deserialize, Serialize};

/// Any error a waiter may return.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// How a waiter ended. Stopping is data, not an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// It returned in time.
    Done,
    /// It failed, panicked or ran out of time, and its fallback saved the day.
    Recovered,
    /// It returned an error.
    Failed,
    /// It panicked.
    Panicked,
    /// Its deadline passed.
    TimedOut,
    /// A second signal, or the end of the process, cut it off while it ran.
    Aborted,
    /// It never started.
    Skipped,
}

impl Outcome {
    /// Every outcome, in the order of this type.
    pub const ALL: [Outcome; 7] = [
        Outcome::Done,
        Outcome::Recovered,
        Outcome::Failed,
        Outcome::Panicked,
        Outcome::TimedOut,
        Outcome::Aborted,
        Outcome::Skipped,
    ];

    /// Whether nothing was lost.
    pub fn is_good(self) -> bool {
        matches!(self, Outcome::Done | Outcome::Recovered)
    }

    /// Its name as it stands in reports and metrics, `timed_out` for one.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Done => "done",
            Outcome::Recovered => "recovered",
            Outcome::Failed => "failed",
            Outcome::Panicked => "panicked",
            Outcome::TimedOut => "timed_out",
            Outcome::Aborted => "aborted",
            Outcome::Skipped => "skipped",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.name().replace('_', " "))
    }
}

/// What a waiter says when it ended well and there is more to tell: how much work it gave back for
/// another process to do, and a note for the report.
///
/// The stop stays clean; a Job that asked for it then exits with 143 instead of 0.
///
/// ```
/// use sundown::{HandedBack, Waiter};
///
/// let waiter = Waiter::new("mail", |_deadline| async {
///     HandedBack::new(2).note("sent 14, handed back 15 and 16")
/// });
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[must_use = "a waiter says it by returning it"]
pub struct HandedBack {
    count: u64,
    note: Option<String>,
}

impl HandedBack {
    /// So much was given back.
    pub fn new(count: u64) -> Self {
        HandedBack { count, note: None }
    }

    /// What the report should tell of it.
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }

    pub(crate) fn into_parts(self) -> (u64, Option<String>) {
        (self.count, self.note)
    }
}

mod sealed {
    pub trait Sealed {}

    impl Sealed for () {}
    impl Sealed for super::HandedBack {}
    impl<T: Sealed, E> Sealed for Result<T, E> {}
}

/// What the body of a waiter may return: `()`, [`HandedBack`], or a `Result` of those, and nothing else.
pub trait WaiterResult: sealed::Sealed {
    /// The work handed back, or what went wrong.
    ///
    /// # Errors
    ///
    /// The error of the body, boxed.
    fn into_result(self) -> Result<HandedBack, BoxError>;
}

impl WaiterResult for () {
    fn into_result(self) -> Result<HandedBack, BoxError> {
        Ok(HandedBack::default())
    }
}

impl WaiterResult for HandedBack {
    fn into_result(self) -> Result<HandedBack, BoxError> {
        Ok(self)
    }
}

impl<T: WaiterResult, E: Into<BoxError>> WaiterResult for Result<T, E> {
    fn into_result(self) -> Result<HandedBack, BoxError> {
        self.map_err(Into::into)?.into_result()
    }
}

/// The exit code of a process that stopped, as documented for operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Exit {
    /// 0: everything ended well, handed-back work included.
    Clean,
    /// 1: ended by force, at the cap or by a third signal.
    Forced,
    /// 2: wrong usage, configuration, or a start that failed.
    Usage,
    /// 3: the plan ended, but something failed, panicked or ran out of time.
    Failed,
    /// 143: clean, but work was handed back and the program asked to be told so.
    Interrupted,
}

impl Exit {
    /// The code itself.
    pub fn code(self) -> u8 {
        match self {
            Exit::Clean => 0,
            Exit::Forced => 1,
            Exit::Usage => 2,
            Exit::Failed => 3,
            Exit::Interrupted => 143,
        }
    }

    /// The exit of a program whose start may fail: its own, or [`Exit::Usage`] with the error and
    /// its sources printed to stderr.
    ///
    /// ```
    /// use sundown::{BoxError, Exit};
    ///
    /// fn serve() -> Result<Exit, BoxError> {
    ///     Err("cannot bind 0.0.0.0:80: permission denied (set --listen)".into())
    /// }
    /// assert_eq!(Exit::of(serve()), Exit::Usage);
    /// ```
    pub fn of<E: Into<BoxError>>(program: Result<Exit, E>) -> Exit {
        program.unwrap_or_else(|error| {
            let error: BoxError = error.into();
            let mut text = format!("error: {error}\n");
            let mut source = error.source();
            while let Some(cause) = source {
                text.push_str(&format!("  because: {cause}\n"));
                source = cause.source();
            }
            // Nobody may be there to read it; the exit code says it too.
            let _ = stderr().write_all(text.as_bytes());
            Exit::Usage
        })
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        self.into()
    }
}
