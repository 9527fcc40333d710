//! One run of a program: started behind the shim, listened to, and ended when the attempt is.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use sundown::BoxError;
use sundown_tasks::TaskContext;
use tokio::io::AsyncWriteExt as _;
use tokio::net::unix::OwnedWriteHalf;
use tokio::process::{ChildStderr, ChildStdout};
use tokio::time::{sleep, timeout};

use super::output::{Keeping, Kept};
use super::room::Room;
use super::speech::{STEP, hear, keep};
use super::watched::{End, Watched};
use super::{Command, Commands, Input, Workplace, begin, shim};

/// How often it is looked whether the lease is held again.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// How often a command may come too late in one attempt: each time a service was frozen between two lines.
const TOO_LATE: u32 = 5;
/// How long a shim that was told to end its command may take beyond the grace.
const OVERTIME: Duration = Duration::from_millis(250);

/// How a run ended.
pub(super) enum Finished {
    /// The program ended.
    By { code: i32, kept: Kept },
    /// It was told to.
    Stopped,
}

/// Runs it. Dropping the future ends the program, and everything it started.
pub(super) async fn run(
    commands: &Commands,
    command: &Command,
    input: &Input,
    context: &TaskContext,
) -> Result<Finished, BoxError> {
    for _ in 0..TOO_LATE {
        // A service that was frozen may have lost the task meanwhile: then its keeper stops this.
        while context.lease_left().is_zero() {
            if timeout(LOOK_AGAIN, context.cancelled()).await.is_ok() {
                return Ok(Finished::Stopped);
            }
        }
        let place = (commands.workplaces)().await?;
        let room = commands.rooms.clone().take(place.path());
        if let Some(finished) = run_once(command, input, place, &room, context).await? {
            return Ok(finished);
        }
    }
    Err(format!("{TOO_LATE} times its lease had run out before it could begin").into())
}

/// The same, or nothing if the lease had run out before the program could begin.
async fn run_once(
    command: &Command,
    input: &Input,
    place: Box<dyn Workplace>,
    room: &Room,
    context: &TaskContext,
) -> Result<Option<Finished>, BoxError> {
    let (mut shim, voice) = start(command, input, place, context).await?;
    let ended = tokio::select! {
        biased;
        ended = attend(command, &mut shim, voice, context) => ended,
        error = room.overflow() => Err(error),
    };
    // Whatever came between: when this is over, so are they.
    shim.finish().await;
    match ended? {
        None => Ok(Some(Finished::Stopped)),
        Some((End::Code(code), kept)) => Ok(Some(Finished::By { code, kept })),
        Some((End::TooLate, _)) => Ok(None),
        Some((End::Failed(why), _)) => Err(format!("it could not be started: {why}").into()),
        Some((End::CutOff(status), _)) => Err(format!("the command was cut off: {status}").into()),
    }
}

/// Listens to a run until it has ended; nothing, if it was told to.
async fn attend(
    command: &Command,
    shim: &mut Watched,
    voice: Voice,
    context: &TaskContext,
) -> Result<Option<(End, Kept)>, BoxError> {
    let Voice { stdout, stderr, lifeline } = voice;
    let mut out = Keeping::first(command.output_limit);
    let mut err = Keeping::last(command.output_limit);
    let waker = shim.waker();
    let talk = async {
        let hears = hear(stdout, &mut out, context, command.tells_lines);
        let listens = keep(stderr, &mut err);
        // What cannot be written down any more ends the program.
        let ((), (), end) = tokio::try_join!(hears, listens, shim.end())?;
        Ok::<_, BoxError>(end)
    };
    let longest = command.grace + OVERTIME;
    let end = until_told(talk, lifeline, context, longest, waker).await?;
    Ok(end.map(|end| (end, Kept::of(out, err))))
}

/// Asks the program to end when the attempt is to, and waits for it all the same, but not for ever.
async fn until_told<T>(
    talk: impl Future<Output = Result<T, BoxError>>,
    mut lifeline: OwnedWriteHalf,
    context: &TaskContext,
    longest: Duration,
    wake: impl FnOnce(),
) -> Result<Option<T>, BoxError> {
    tokio::pin!(talk);
    tokio::select! {
        biased;
        ended = &mut talk => return ended.map(Some),
        () = context.cancelled() => {}
    }
    // A shim that is gone needs no telling; one that was stopped hears nothing.
    let _ = lifeline.write_all(b"T").await;
    wake();
    tokio::select! {
        biased;
        ended = talk => drop(ended?),
        () = sleep(longest) => {}
    }
    Ok(None)
}

/// What a run says, and what is said to it.
struct Voice {
    stdout: ChildStdout,
    stderr: ChildStderr,
    /// Its end is the end of the program.
    lifeline: OwnedWriteHalf,
}

async fn start(
    command: &Command,
    input: &Input,
    place: Box<dyn Workplace>,
    context: &TaskContext,
) -> Result<(Watched, Voice), BoxError> {
    let directory = place.path();
    let stdin = directory.join(".stdin");
    if let Some(text) = &input.stdin {
        tokio::fs::write(&stdin, text).await?;
    }
    let stdin = if input.stdin.is_some() { stdin.as_path() } else { Path::new("") };
    let checkpoint = context.cursor::<String>(STEP).unwrap_or_default();
    let inherited = ["PATH", "HOME", "LANG"];
    let inherited = inherited.iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
    let (ours, theirs) = UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    let (words, lifeline) = tokio::net::UnixStream::from_std(ours)?.into_split();
    // Also when the file of this program was replaced meanwhile.
    let mut shim = tokio::process::Command::new("/proc/self/exe");
    shim.arg0("sundown")
        .args([shim::NAME, shim::WATCH])
        .arg(command.grace.as_millis().to_string())
        .arg(begin::not_after(context.lease_left()))
        .arg(std::process::id().to_string())
        .arg(stdin)
        .arg(&command.program)
        .args(&command.arguments)
        .args(&input.args)
        .env_clear()
        .envs(inherited)
        .envs(&command.environment)
        .env("TMPDIR", directory)
        .env("TASK_ID", context.task().to_string())
        .env("TASK_ATTEMPT", context.attempt().to_string())
        .env("TASK_CHECKPOINT", checkpoint)
        .current_dir(directory)
        .process_group(0)
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = shim.spawn().map_err(|error| format!("cannot start the shim: {error}"))?;
    let stdout = child.stdout.take().ok_or("the shim has no standard output")?;
    let stderr = child.stderr.take().ok_or("the shim has no standard error")?;
    Ok((Watched::new(child, words, place), Voice { stdout, stderr, lifeline }))
}
