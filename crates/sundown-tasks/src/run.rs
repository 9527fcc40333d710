//! One attempt: its code is run, and whatever becomes of it is an ending.

use std::future::{Future, pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use serde_json::value::RawValue;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::attempt::Leash;
use crate::decline::DECLINED;
use crate::kind::{Form, Kind};
use crate::service::Service;
use crate::store::Ending;
use crate::task::Flaw;
use crate::{Claim, Fence, TaskContext, TaskError, metrics};

/// How long an attempt that was told to stop has to do so by itself.
const OBEY: Duration = Duration::from_secs(5);
/// How much of an error is kept.
const ERROR: usize = 4000;

/// What became of the code of an attempt.
enum Ran {
    Succeeded(Box<RawValue>),
    Failed(String),
    FailedForGood(String),
    Unfinished,
    /// This process cannot run it.
    Declined(String),
    TooLong(Duration),
    /// It was told to stop, and did not.
    Disobeyed,
    /// Nobody listens to it any more.
    Cut,
}

/// What an attempt owes: how it ended. It is said once, whatever becomes of the code, and of the
/// runtime that runs it.
pub(crate) struct Word {
    service: Arc<Service>,
    fence: Fence,
    is_given: bool,
}

impl Word {
    pub(crate) fn new(service: Arc<Service>, fence: Fence) -> Self {
        Word { service, fence, is_given: false }
    }

    fn give(mut self, ending: Ending) {
        self.is_given = true;
        self.service.end(self.fence, ending);
    }
}

impl Drop for Word {
    fn drop(&mut self) {
        if !self.is_given {
            let reason = "dropped by the runtime that ran it".to_owned();
            self.service.end(self.fence, Ending::Interrupted { reason });
        }
    }
}

/// Runs an attempt, and has its end written down.
pub(crate) async fn attempt(word: Word, kind: Kind, claim: Claim, leash: Leash) {
    let (service, fence) = (word.service.clone(), word.fence);
    // A process that was frozen between its claim and this line may find that another one has begun
    // the task, and even ended it. Then it must not begin.
    if service.attempts.lease_left(fence).is_zero() {
        return word.give(Ending::Returned);
    }
    let context = TaskContext::new(
        &claim,
        service.store.clone(),
        service.attempts.clone(),
        leash.cancel.clone(),
        service.shutdown.clone(),
        service.drain_deadline.clone(),
        kind.timeout,
    );
    let (failures, began) = (claim.failures + 1, Instant::now());
    let ran = caught(async {
        if let Some(why) = kind.declines(&claim.input) {
            return Ran::Declined(why);
        }
        metrics::begun(&kind.name);
        tokio::select! {
            biased;
            ran = run(&kind, claim.input, context, &leash.cancel) => ran,
            () = leash.cut.cancelled() => Ran::Cut,
        }
    })
    .await;
    if !matches!(ran, Ran::Declined(_)) {
        metrics::took(&kind.name, began.elapsed());
    }
    let is_unwanted = service.attempts.is_unwanted(fence);
    word.give(ending(&kind, fence, ran, failures, is_unwanted, &service));
}

/// A panic is a failure, wherever in the code of others it happens: in a destructor, in the words of
/// an error.
async fn caught(code: impl Future<Output = Ran>) -> Ran {
    let mut code = pin!(code);
    let poll = poll_fn(|cx| {
        catch_unwind(AssertUnwindSafe(|| code.as_mut().poll(cx))).unwrap_or_else(|panic| {
            Poll::Ready(Ran::Failed(format!("panicked: {}", message(&*panic))))
        })
    });
    poll.await
}

async fn run(
    kind: &Kind,
    input: Box<RawValue>,
    context: TaskContext,
    cancel: &CancellationToken,
) -> Ran {
    let mut code = (kind.code)(input, context.clone());
    let disobeyed = async {
        match kind.form {
            Form::Future => cancel.cancelled().await,
            // It goes on whatever is said of it.
            Form::Thread => pending().await,
        }
        sleep(OBEY).await;
    };
    let too_long = async {
        match kind.timeout {
            Some(limit) => sleep(limit).await,
            None => pending().await,
        }
        kind.timeout.unwrap_or_default()
    };
    tokio::select! {
        biased;
        result = &mut code => returned(result, &context),
        () = disobeyed => Ran::Disobeyed,
        limit = too_long => {
            // Code that blocks a thread can only be told, and until it returns nothing may run in
            // its place.
            cancel.cancel();
            match kind.form {
                Form::Future => {}
                Form::Thread => drop(code.await),
            }
            Ran::TooLong(limit)
        }
    }
}

fn returned(result: Result<Box<RawValue>, TaskError>, context: &TaskContext) -> Ran {
    match result {
        Ok(output) => Ran::Succeeded(output),
        Err(TaskError(Flaw::Unfinished)) => Ran::Unfinished,
        Err(TaskError(Flaw::ForGood(error))) => Ran::FailedForGood(chain(&*error)),
        // An attempt that fails because it could not tell something while it was told to stop has
        // not failed.
        Err(TaskError(Flaw::Again(_))) if context.was_silenced() => Ran::Unfinished,
        Err(TaskError(Flaw::Again(error))) => Ran::Failed(chain(&*error)),
    }
}

fn ending(
    kind: &Kind,
    fence: Fence,
    ran: Ran,
    failures: u32,
    is_unwanted: bool,
    service: &Service,
) -> Ending {
    let short = |error: String| error.chars().take(ERROR).collect();
    let failed = |error| Ending::Failed {
        error: short(error),
        retry_in: kind.backoff.after(failures, fastrand::f64()),
    };
    match ran {
        Ran::Succeeded(output) => Ending::Succeeded(output),
        Ran::Disobeyed | Ran::Unfinished if is_unwanted => Ending::Stopped,
        Ran::Unfinished if service.shutdown.is_shutting_down() => {
            Ending::Interrupted { reason: "told to wrap up".to_owned() }
        }
        Ran::Unfinished => failed("it stopped unfinished, and nobody had asked it to".to_owned()),
        Ran::Declined(why) => {
            let again_in = service.declines.decline(fence, &kind.name, &why);
            Ending::Declined { reason: short(format!("{DECLINED}{why}")), again_in }
        }
        Ran::Failed(error) => failed(error),
        Ran::FailedForGood(error) => Ending::FailedForGood { error: short(error) },
        Ran::TooLong(limit) => failed(format!("took longer than {limit:?}")),
        Ran::Disobeyed => Ending::Interrupted { reason: "told to stop, and did not".to_owned() },
        Ran::Cut => Ending::Interrupted { reason: "it was not this process's any more".to_owned() },
    }
}

/// The words of a panic.
pub(crate) fn message(panic: &(dyn std::any::Any + Send)) -> String {
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
