//! `sundown tasks …`: the tasks API from the command line, with tables and progress on a terminal and
//! JSON elsewhere.

mod ask;
mod connection;
mod show;
mod watch;

use std::io::{IsTerminal as _, Read as _, stdin, stdout};

use std::thread::park_timeout;
use std::time::Duration;

use serde_json::value::RawValue;
use sundown::{BoxError, Exit};

use self::ask::{Ask, Asked, NewTask};
use self::connection::{Answer, Connection, Failure};
use self::show::{fields, line, text};

pub(crate) use self::ask::HELP;

/// How often a task is handed in when nobody knows whether it was taken in, and the pause before that.
const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_millis(500);

/// Does what the arguments of `sundown tasks` say.
pub(crate) fn run(arguments: Vec<String>) -> Result<Exit, BoxError> {
    let Asked { what, url, token } = ask::parse(arguments)?;
    let connection = Connection::new(&url, token)?;
    match what {
        Ask::Help => crate::print(HELP),
        Ask::Submit { task, reads, watches } => submit(&connection, task, reads, watches),
        Ask::List { query } => show::page(&connection.get(&format!("/tasks{query}"))?),
        Ask::Show(id) => show::task(&connection.get(&format!("/tasks/{id}"))?),
        Ask::Watch(id) => watch::watch(&connection, &id),
        Ask::Cancel(ids) => each(&ids, |id| connection.delete(&format!("/tasks/{id}"))),
        Ask::Requeue(ids) => each(&ids, |id| connection.wish(&format!("/tasks/{id}/requeue"))),
        Ask::Discard(ids) => each(&ids, |id| connection.wish(&format!("/tasks/{id}/discard"))),
    }
}

fn submit(
    connection: &Connection,
    mut task: NewTask,
    reads: bool,
    watches: bool,
) -> Result<Exit, BoxError> {
    if reads {
        let mut text = String::new();
        stdin().read_to_string(&mut text)?;
        task.input = serde_json::from_str(&text)
            .map_err(|error| format!("the standard input is no JSON: {error}"))?;
    }
    let key = task.key.get_or_insert_with(|| format!("sundown-tasks-{:032x}", fastrand::u128(..)));
    let key = key.clone();
    let (started, is_first) = hand_in(|| connection.post("/tasks", &task), &key)?;
    let told = fields(&started);
    let id = text(&told, "id").ok_or("the service took the task in without saying its id")?;
    if watches {
        return watch::watch(connection, &id);
    }
    if stdout().is_terminal() {
        let was_known = told.get("is_new").is_some_and(|is_new| is_new.get() == "false");
        let known = if was_known && is_first { " (it was there already)" } else { "" };
        crate::print(&format!("task {id}{known}; follow it: sundown tasks watch {id}\n"))
    } else {
        crate::print(&line(&started))
    }
}

/// Asks until it is known that the task was taken in: with its key it stays one task. Answers whether once
/// was enough.
fn hand_in(mut ask: impl FnMut() -> Answer, key: &str) -> Result<(Box<RawValue>, bool), BoxError> {
    let mut last = match ask() {
        Ok(started) => return Ok((started, true)),
        Err(Failure::Unknown(why)) => why,
        Err(error) => return Err(error.into()),
    };
    for _ in 1..TRIES {
        park_timeout(PAUSE);
        match ask() {
            Ok(started) => return Ok((started, false)),
            Err(Failure::Undone(why) | Failure::Unknown(why)) => last = why,
            Err(Failure::Refused(why)) => {
                last = why;
                break;
            }
        }
    }
    let advice = format!("ask again with --key {key}");
    Err(format!("{last}; whether the task was taken in, nobody knows ({advice})").into())
}

/// The same for each; one that fails keeps nobody else from it.
fn each(ids: &[String], mut ask: impl FnMut(&str) -> Answer) -> Result<Exit, BoxError> {
    let mut exit = Exit::Clean;
    for id in ids {
        match ask(id) {
            Ok(answer) if stdout().is_terminal() => {
                let state = text(&fields(&answer), "state").unwrap_or_else(|| "gone".to_owned());
                crate::print(&format!("task {id}: {}\n", show::still(&state)))?;
            }
            Ok(answer) if answer.get() == "null" => {
                crate::print(&format!("{}\n", serde_json::json!({ "id": id })))?;
            }
            Ok(answer) => drop(crate::print(&line(&answer))?),
            Err(error) => {
                eprintln!("error: task {id}: {error}");
                exit = Exit::Usage;
            }
        }
    }
    Ok(exit)
}
