//! One attempt: its code is run, and whatever becomes of it is an ending.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use serde_json::value::RawValue;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::kind::Kind;
use crate::service::Service;
use crate::store::Ending;
use crate::task::Flaw;
use crate::{Claim, TaskContext, TaskError, TellError, metrics};

/// How long an attempt that was told to stop has to do so by itself.
const OBEY: Duration = Duration::from_secs(5);
/// How much of an error is kept.
const ERROR: usize = 4000;

/// What became of the code of an attempt.
enum Ran {
    Returned(Result<Box<RawValue>, TaskError>),
    Panicked(String),
    TooLong(Duration),
    /// It was told to stop, and did not.
    Disobeyed,
}

impl Ran {
    /// An attempt that fails because it could not tell something while it was told to stop has not
    /// failed: it is unfinished.
    fn without_cause_of_its_own(self) -> Self {
        match self {
            Ran::Returned(Err(TaskError(Flaw::Again(error))))
                if matches!(error.downcast_ref(), Some(TellError::Stopped(_))) =>
            {
                Ran::Returned(Err(TaskError::unfinished()))
            }
            other => other,
        }
    }
}

/// Runs an attempt, and has its end written down.
pub(crate) async fn attempt(
    service: Arc<Service>,
    kind: Kind,
    claim: Claim,
    cancel: CancellationToken,
) {
    let (fence, failures, began) = (claim.fence, claim.failures, Instant::now());
    // A process that was frozen between its claim and this line may find that another one has begun
    // the task, and even ended it. Then it must not begin.
    if service.attempts.lease_left(fence).is_zero() {
        if service.attempts.has_ended(fence) {
            service.keeper.finish(fence, Ending::Returned).await;
        }
        return;
    }
    let context = TaskContext::new(
        &claim,
        service.store.clone(),
        service.attempts.clone(),
        cancel.clone(),
        service.shutdown.clone(),
        service.drain_deadline.clone(),
        kind.timeout,
    );
    metrics::begun(&kind.name);
    let ran = run(&kind, claim.input, context, &cancel).await;
    metrics::took(&kind.name, began.elapsed());
    let is_unwanted = service.attempts.is_unwanted(fence);
    let ending = ending(&kind, ran, failures + 1, is_unwanted, &service);
    if service.attempts.has_ended(fence) {
        service.note(fence.task, &ending);
        service.keeper.finish(fence, ending).await;
    }
}

async fn run(
    kind: &Kind,
    input: Box<RawValue>,
    context: TaskContext,
    cancel: &CancellationToken,
) -> Ran {
    let mut code = match catch_unwind(AssertUnwindSafe(|| (kind.code)(input, context))) {
        Ok(code) => code,
        Err(panic) => return Ran::Panicked(message(&*panic)),
    };
    let caught = poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| code.as_mut().poll(cx))) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(result)) => Poll::Ready(Ran::Returned(result)),
        Err(panic) => Poll::Ready(Ran::Panicked(message(&*panic))),
    });
    let disobeyed = async {
        cancel.cancelled().await;
        sleep(OBEY).await;
        Ran::Disobeyed
    };
    let either = async {
        tokio::select! {
            biased;
            ran = caught => ran,
            ran = disobeyed => ran,
        }
    };
    match kind.timeout {
        None => either.await,
        Some(limit) => match timeout(limit, either).await {
            Ok(ran) => ran,
            Err(_) => {
                // Code that blocks a thread can still be told.
                cancel.cancel();
                Ran::TooLong(limit)
            }
        },
    }
}

fn ending(kind: &Kind, ran: Ran, failures: u32, is_unwanted: bool, service: &Service) -> Ending {
    let failed = |error: String| Ending::Failed {
        error: error.chars().take(ERROR).collect(),
        retry_in: kind.backoff.after(failures, fastrand::f64()),
    };
    match ran.without_cause_of_its_own() {
        Ran::Returned(Ok(output)) => Ending::Succeeded(output),
        Ran::Disobeyed if is_unwanted => Ending::Stopped,
        Ran::Returned(Err(TaskError(Flaw::Unfinished))) if is_unwanted => Ending::Stopped,
        Ran::Returned(Err(TaskError(Flaw::Unfinished))) if service.shutdown.is_shutting_down() => {
            Ending::Interrupted { reason: "told to wrap up".to_owned() }
        }
        Ran::Returned(Err(TaskError(Flaw::Unfinished))) => {
            failed("it stopped unfinished, and nobody had asked it to".to_owned())
        }
        Ran::Returned(Err(TaskError(Flaw::Again(error)))) => failed(chain(&*error)),
        Ran::Returned(Err(TaskError(Flaw::ForGood(error)))) => {
            Ending::FailedForGood { error: chain(&*error).chars().take(ERROR).collect() }
        }
        Ran::Panicked(message) => failed(format!("panicked: {message}")),
        Ran::TooLong(limit) => failed(format!("took longer than {limit:?}")),
        Ran::Disobeyed => Ending::Interrupted { reason: "told to stop, and did not".to_owned() },
    }
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("something that is no text").to_owned()
}

/// An error with its causes.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
