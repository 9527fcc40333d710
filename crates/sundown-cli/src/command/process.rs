//! One run of a program: started behind the shim, listened to, and ended when the attempt is.

use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use sundown::BoxError;
use sundown_tasks::TaskContext;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, ChildStdin};

use super::output::{Keeping, Kept};
use super::speech::{STEP, hear, keep};
use super::{Command, Input, orphans, shim};

/// How often it is looked whether the lease is held again.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// How a run ended.
pub(super) enum Finished {
    /// The program ended.
    By { code: i32, kept: Kept },
    /// It was told to.
    Stopped,
}

/// Runs it. Dropping the future ends the program, and everything it started.
pub(super) async fn run(
    command: &Command,
    input: &Input,
    place: &Path,
    context: &TaskContext,
) -> Result<Finished, BoxError> {
    loop {
        // A service that was frozen may have lost the task meanwhile: then its keeper stops this.
        while context.lease_left().is_zero() {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        if let Some(finished) = run_once(command, input, place, context).await? {
            return Ok(finished);
        }
    }
}

/// The same, or nothing if the lease had run out before the program was begun.
async fn run_once(
    command: &Command,
    input: &Input,
    place: &Path,
    context: &TaskContext,
) -> Result<Option<Finished>, BoxError> {
    let mut child = start(command, input, place, context).await?;
    let lifeline = child.stdin.take().ok_or("the shim has no standard input")?;
    let stdout = child.stdout.take().ok_or("the shim has no standard output")?;
    let stderr = child.stderr.take().ok_or("the shim has no standard error")?;
    let mut out = Keeping::first(command.output_limit);
    let mut err = Keeping::last(command.output_limit);
    let tells = command.tells_lines;
    let talk = async {
        let hears = hear(stdout, &mut out, context, tells);
        let listens = keep(stderr, &mut err);
        // What cannot be written down any more ends the program.
        let ((), (), status) = tokio::try_join!(hears, listens, end_of(&mut child, place))?;
        Ok::<_, BoxError>(status)
    };
    let (status, was_told) = until_told(talk, lifeline, context).await?;
    if was_told {
        return Ok(Some(Finished::Stopped));
    }
    let (code, kept) = (status.code().unwrap_or(1), Kept::of(out, err));
    // A program may well end with the same number.
    let was_started = group_file(place).exists();
    if code == i32::from(shim::TOO_LATE) && !was_started {
        return Ok(None);
    }
    if code == i32::from(shim::NOT_STARTED) && !was_started {
        return Err(format!("it could not be started: {}", kept.stderr.trim_end()).into());
    }
    Ok(Some(Finished::By { code, kept }))
}

/// Waits for the shim. Should it be killed, what it watched over is ended here.
async fn end_of(child: &mut Child, place: &Path) -> Result<ExitStatus, BoxError> {
    let status = child.wait().await?;
    if status.code().is_none() {
        let (group, place) = (group_file(place), place.to_owned());
        tokio::task::spawn_blocking(move || orphans::end(&group, &place)).await?;
        return Err(format!("the command was cut off: {status}").into());
    }
    Ok(status)
}

/// Asks the program to end when the attempt is to, and waits for it all the same.
async fn until_told<T>(
    talk: impl Future<Output = Result<T, BoxError>>,
    mut lifeline: ChildStdin,
    context: &TaskContext,
) -> Result<(T, bool), BoxError> {
    tokio::pin!(talk);
    tokio::select! {
        biased;
        ended = &mut talk => return Ok((ended?, false)),
        () = context.cancelled() => {}
    }
    // A shim that is gone needs no telling.
    let _ = lifeline.write_all(b"T").await;
    let ended = talk.await?;
    drop(lifeline);
    Ok((ended, true))
}

async fn start(
    command: &Command,
    input: &Input,
    place: &Path,
    context: &TaskContext,
) -> Result<Child, BoxError> {
    let stdin = place.join(".stdin");
    if let Some(text) = &input.stdin {
        tokio::fs::write(&stdin, text).await?;
    }
    let stdin = if input.stdin.is_some() { stdin.as_path() } else { Path::new("") };
    let checkpoint = context.cursor::<String>(STEP).unwrap_or_default();
    let inherited = ["PATH", "HOME", "LANG"];
    let inherited = inherited.iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
    // Also when the file of this program was replaced meanwhile.
    let mut shim = tokio::process::Command::new("/proc/self/exe");
    shim.arg0("sundown")
        .arg(shim::NAME)
        .arg(shim::not_after(context.lease_left()))
        .arg(command.grace.as_millis().to_string())
        .arg(group_file(place))
        .arg(stdin)
        .arg(&command.program)
        .args(&command.arguments)
        .args(&input.args)
        .env_clear()
        .envs(inherited)
        .envs(&command.environment)
        .env("TMPDIR", place)
        .env("TASK_ID", context.task().to_string())
        .env("TASK_ATTEMPT", context.attempt().to_string())
        .env("TASK_CHECKPOINT", checkpoint)
        .current_dir(place)
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    Ok(shim.spawn().map_err(|error| format!("cannot start the shim: {error}"))?)
}

fn group_file(place: &Path) -> std::path::PathBuf {
    place.join(".group")
}
