//! The kind `count`, for trying tasks out: it counts, tells of it, and goes on where it stopped.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;
use sundown_tasks::{Task, TaskContext, TaskError};
use tokio::time::sleep;

pub(super) struct Counting;

/// How far, and how slowly.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Input {
    to: u64,
    #[serde(default)]
    pause_ms: u64,
}

/// What came of it.
#[derive(Debug, Serialize)]
pub(super) struct Output {
    counted: u64,
    /// Where the last attempt took it up.
    from: u64,
}

impl Task for Counting {
    const KIND: &'static str = "count";
    type Input = Input;
    type Output = Output;

    async fn run(&self, input: Input, context: TaskContext) -> Result<Output, TaskError> {
        let from = context.cursor("count").unwrap_or(0);
        for number in from..input.to {
            tokio::select! {
                biased;
                () = context.cancelled() => return Err(TaskError::unfinished()),
                () = sleep(Duration::from_millis(input.pause_ms)) => {}
            }
            let told = json!({ "done": number + 1, "total": input.to });
            context.checkpoint_and_tell("count", &(number + 1), &told).await?;
            if context.is_wrapping_up() && number + 1 < input.to {
                return Err(TaskError::unfinished());
            }
        }
        Ok(Output { counted: input.to, from })
    }
}
