//! `sundown tasks …`: the tasks API from the command line, with tables and progress on a terminal and
//! JSON elsewhere.

mod ask;
mod bulk;
mod connection;
mod frames;
mod show;
mod text;
mod watch;
pub(crate) mod when;
mod words;

use std::io::{Read as _, stdin};

use std::thread::park_timeout;
use std::time::Duration;

use serde_json::value::RawValue;
use sundown::{BoxError, Exit};

use self::ask::{Ask, Asked, NewTask};
use self::connection::{Answer, Connection, Failure};
use self::show::{Form, fields, line, text};

pub(crate) use self::ask::HELP;
pub(crate) use self::text::{fitted, still};

/// How often a task is handed in when nobody knows whether it was taken in, and the pause before that.
const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_millis(500);

/// Does what the arguments of `sundown tasks` say.
pub(crate) fn run(arguments: Vec<String>) -> Result<Exit, BoxError> {
    // What the service says may come from whoever handed a task in.
    asked(arguments).map_err(|error| still(&error.to_string()).into())
}

fn asked(arguments: Vec<String>) -> Result<Exit, BoxError> {
    let Asked { what, url, token, form } = ask::parse(arguments)?;
    let connection = Connection::new(&url, token)?;
    match what {
        Ask::Help => crate::print(HELP),
        Ask::Submit { task, reads, watches } => {
            let due = task.run_at;
            let (started, is_first) = submit(&connection, task, reads)?;
            let told = fields(&started);
            let id =
                text(&told, "id").ok_or("the service took the task in without saying its id")?;
            if watches {
                return watch::watch(&connection, &id, form);
            }
            match form {
                Form::Json => crate::print(&line(&started)),
                Form::Table => {
                    let was_known = told.get("is_new").is_some_and(|new| new.get() == "false");
                    let known = if was_known && is_first { " (it was there already)" } else { "" };
                    tell_submitted(&still(&id), known, due, &url)
                }
            }
        }
        Ask::List { query } => {
            show::page(&connection, &connection.get(&format!("/tasks{query}"))?, form)
        }
        Ask::Show(id) => show::task(&connection, &connection.get(&format!("/tasks/{id}"))?, form),
        Ask::Watch(id) => watch::watch(&connection, &id, form),
        Ask::Cancel(ids) => each(&ids, form, |id| connection.delete(&format!("/tasks/{id}"))),
        Ask::Requeue(ids) => {
            each(&ids, form, |id| connection.wish(&format!("/tasks/{id}/requeue")))
        }
        Ask::Discard(ids) => {
            each(&ids, form, |id| connection.wish(&format!("/tasks/{id}/discard")))
        }
        Ask::Bulk(bulk) => bulk.run(&connection, form),
    }
}

/// Hands a task in; answers what the service said, and whether it was asked only once.
fn submit(
    connection: &Connection,
    mut task: NewTask,
    reads: bool,
) -> Result<(Box<RawValue>, bool), BoxError> {
    if reads {
        let mut text = String::new();
        stdin().read_to_string(&mut text)?;
        task.input = serde_json::from_str(&text)
            .map_err(|error| format!("the standard input is no JSON: {error}"))?;
    }
    let key = task.key.get_or_insert_with(|| format!("sundown-tasks-{:032x}", fastrand::u128(..)));
    let key = key.clone();
    hand_in(|| connection.post("/tasks", &task), &key)
}

fn tell_submitted(id: &str, known: &str, due: Option<i64>, url: &str) -> Result<Exit, BoxError> {
    let now = when::now().timestamp().as_millisecond();
    let due = due.filter(|due| *due > now).map(|due| when::about(when::until(now, due)));
    let due = due.map(|due| format!(", due in {due}")).unwrap_or_default();
    let elsewhere = if url == ask::HERE { String::new() } else { format!(" --url {url}") };
    let follow = format!("sundown tasks watch {id}{elsewhere}");
    crate::print(&format!("task {id}{known}{due}; follow it: {follow}\n"))
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
fn each(ids: &[String], form: Form, mut ask: impl FnMut(&str) -> Answer) -> Result<Exit, BoxError> {
    let mut exit = Exit::Clean;
    for id in ids {
        match ask(id) {
            Ok(answer) if form == Form::Table => {
                let state = text(&fields(&answer), "state").unwrap_or_else(|| "gone".to_owned());
                crate::print(&format!("task {id}: {}\n", still(&state)))?;
            }
            Ok(answer) if answer.get() == "null" => {
                crate::print(&format!("{}\n", serde_json::json!({ "id": id })))?;
            }
            Ok(answer) => drop(crate::print(&line(&answer))?),
            Err(error) => {
                eprintln!("error: task {id}: {}", still(&error.to_string()));
                exit = Exit::Usage;
            }
        }
    }
    Ok(exit)
}
