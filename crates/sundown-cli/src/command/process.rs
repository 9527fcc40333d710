//! One run of a program: started behind the shim, listened to, and ended when the attempt is.

use std::path::Path;
use std::process::Stdio;

use serde_json::json;
use sundown::BoxError;
use sundown_tasks::TaskContext;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin};

use super::output::{Keeping, Kept};
use super::{Command, Input, shim};

/// The longest line that is told as progress.
const LINE: usize = 2000;
/// Before what stands in such a line, a command leaves a checkpoint.
const CHECKPOINT: &str = "checkpoint:";
/// The step under which it is kept.
const STEP: &str = "command";

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
        let (heard, listened) = tokio::join!(hears, listens);
        heard.and(listened)?;
        Ok::<_, BoxError>(child.wait().await?)
    };
    let (status, was_told) = until_told(talk, lifeline, context).await?;
    let Some(code) = status.code() else {
        // The shim was killed. What it watched over must not stay.
        end_group(place);
        return Err(format!("the command was cut off: {status}").into());
    };
    if was_told {
        return Ok(Finished::Stopped);
    }
    let kept = Kept::of(out, err);
    if code == i32::from(shim::NOT_STARTED) {
        return Err(format!("it could not be started: {}", kept.stderr.trim_end()).into());
    }
    Ok(Finished::By { code, kept })
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
    let mut shim = tokio::process::Command::new(std::env::current_exe()?);
    shim.arg(shim::NAME)
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

fn end_group(place: &Path) {
    use rustix::process::{Pid, Signal, kill_process_group};
    let group = std::fs::read_to_string(group_file(place)).ok();
    let group = group.and_then(|id| Pid::from_raw(id.parse().ok()?));
    if let Some(group) = group {
        let _ = kill_process_group(group, Signal::KILL);
    }
}

/// Reads what the program writes, line by line.
async fn hear(
    stream: impl AsyncRead + Unpin,
    keeping: &mut Keeping,
    context: &TaskContext,
    tells_lines: bool,
) -> Result<(), BoxError> {
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    loop {
        let piece = reader.fill_buf().await?;
        if piece.is_empty() {
            break;
        }
        let end = piece.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
        let taken = end.unwrap_or(piece.len());
        keeping.add(&piece[..taken]);
        let room = LINE.saturating_sub(line.len());
        line.extend_from_slice(&piece[..taken.min(room)]);
        reader.consume(taken);
        if end.is_some() {
            tell(&line, context, tells_lines).await?;
            line.clear();
        }
    }
    if !line.is_empty() {
        tell(&line, context, tells_lines).await?;
    }
    Ok(())
}

async fn tell(line: &[u8], context: &TaskContext, tells_lines: bool) -> Result<(), BoxError> {
    let text = String::from_utf8_lossy(line);
    let text = text.trim_end();
    if let Some(cursor) = text.strip_prefix(CHECKPOINT) {
        context.checkpoint(STEP, cursor.trim()).await?;
    } else if tells_lines {
        context.progress(&json!({ "line": text })).await?;
    }
    Ok(())
}

async fn keep(stream: impl AsyncRead + Unpin, keeping: &mut Keeping) -> Result<(), BoxError> {
    let mut reader = BufReader::new(stream);
    loop {
        let piece = reader.fill_buf().await?;
        if piece.is_empty() {
            return Ok(());
        }
        keeping.add(piece);
        let taken = piece.len();
        reader.consume(taken);
    }
}
