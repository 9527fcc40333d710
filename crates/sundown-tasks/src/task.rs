//! What an application writes: tasks, each with an input, an output, and a way to fail.

use std::fmt;
use std::future::Future;

use serde::Serialize;
use serde::de::DeserializeOwned;
use sundown::BoxError;

use crate::TaskContext;

/// Work that survives the process that does it.
///
/// An attempt may be cut short at any `await`, and another process begins the next one with the same
/// input and the last [checkpoint](TaskContext::checkpoint). So what a task does outside the store
/// may be done twice: let it be the same the second time, or find out that it is done.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use sundown_tasks::{Task, TaskContext, TaskError};
///
/// struct Import;
///
/// #[derive(Serialize, Deserialize)]
/// struct Pages { count: u32 }
///
/// impl Task for Import {
///     const KIND: &'static str = "import";
///     type Input = Pages;
///     type Output = u32;
///
///     async fn run(&self, pages: Pages, context: TaskContext) -> Result<u32, TaskError> {
///         let first = context.cursor("page").unwrap_or(0);      // where the last attempt stopped
///         for page in first..pages.count {
///             // … import the page …
///             context.checkpoint("page", &(page + 1)).await?;
///             if context.is_wrapping_up() {
///                 return Err(TaskError::unfinished());          // goes on elsewhere, from here
///             }
///         }
///         Ok(pages.count)
///     }
/// }
/// ```
pub trait Task: Send + Sync + 'static {
    /// The name under which its tasks are kept. It must not change while there are any.
    const KIND: &'static str;
    /// What it works on.
    type Input: Serialize + DeserializeOwned + Send + 'static;
    /// What comes of it.
    type Output: Serialize + Send + 'static;

    /// One attempt. It is dropped at an `await` when its time is over.
    fn run(
        &self,
        input: Self::Input,
        context: TaskContext,
    ) -> impl Future<Output = Result<Self::Output, TaskError>> + Send;
}

/// How an attempt did not succeed. Any error becomes one with `?`, and is tried again.
pub struct TaskError(pub(crate) Flaw);

pub(crate) enum Flaw {
    Again(BoxError),
    ForGood(BoxError),
    Unfinished,
}

impl TaskError {
    /// It would fail every time: it is not tried again.
    pub fn permanent(error: impl Into<BoxError>) -> Self {
        TaskError(Flaw::ForGood(error.into()))
    }

    /// It was told to wrap up, or is not wanted any more, and has stopped where its last checkpoint
    /// is. The attempt does not count, and another one goes on.
    pub fn unfinished() -> Self {
        TaskError(Flaw::Unfinished)
    }
}

impl<E: Into<BoxError>> From<E> for TaskError {
    fn from(error: E) -> Self {
        TaskError(Flaw::Again(error.into()))
    }
}

impl fmt::Debug for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Flaw::Again(error) => write!(f, "TaskError({error})"),
            Flaw::ForGood(error) => write!(f, "TaskError(permanent: {error})"),
            Flaw::Unfinished => f.write_str("TaskError(unfinished)"),
        }
    }
}
