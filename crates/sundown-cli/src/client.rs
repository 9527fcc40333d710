//! `sundown tasks …`: the tasks API from the command line, with tables and progress on a terminal and
//! JSON elsewhere.

mod ask;
mod connection;
mod show;
mod watch;

use std::io::{IsTerminal as _, Read as _, stdin, stdout};

use serde_json::{Value, json};
use sundown::{BoxError, Exit};

use self::ask::{Ask, Asked};
use self::connection::Connection;

pub(crate) use self::ask::HELP;

/// Does what the arguments of `sundown tasks` say.
pub(crate) fn run(arguments: Vec<String>) -> Result<Exit, BoxError> {
    let Asked { what, url, token } = ask::parse(arguments)?;
    let connection = Connection::new(&url, token)?;
    match what {
        Ask::Submit { task, reads, watches } => submit(&connection, task, reads, watches),
        Ask::List { query } => {
            let page = connection.get(&format!("/tasks{query}"))?;
            show::page(&page)
        }
        Ask::Show(id) => show::task(&connection.get(&format!("/tasks/{id}"))?),
        Ask::Watch(id) => watch::watch(&connection, &id),
        Ask::Cancel(ids) => each(&ids, |id| connection.delete(&format!("/tasks/{id}"))),
        Ask::Requeue(ids) => {
            each(&ids, |id| connection.post(&format!("/tasks/{id}/requeue"), &Value::Null))
        }
        Ask::Discard(ids) => {
            each(&ids, |id| connection.post(&format!("/tasks/{id}/discard"), &Value::Null))
        }
    }
}

fn submit(
    connection: &Connection,
    mut task: Value,
    reads: bool,
    watches: bool,
) -> Result<Exit, BoxError> {
    if reads {
        let mut text = String::new();
        stdin().read_to_string(&mut text)?;
        task["input"] = serde_json::from_str(&text)
            .map_err(|error| format!("the standard input is no JSON: {error}"))?;
    }
    let started = connection.post("/tasks", &task)?;
    let id = started["id"].as_str().unwrap_or_default().to_owned();
    if watches {
        return watch::watch(connection, &id);
    }
    if stdout().is_terminal() {
        let known = if started["is_new"] == false { " (it was there already)" } else { "" };
        crate::print(&format!("task {id}{known}; follow it: sundown tasks watch {id}\n"))
    } else {
        crate::print(&format!("{started}\n"))
    }
}

/// The same for each; one that fails keeps nobody else from it.
fn each(
    ids: &[String],
    mut ask: impl FnMut(&str) -> Result<Value, BoxError>,
) -> Result<Exit, BoxError> {
    let mut exit = Exit::Clean;
    for id in ids {
        match ask(id) {
            Ok(answer) if stdout().is_terminal() => {
                let state = answer["state"].as_str().unwrap_or("gone").to_owned();
                crate::print(&format!("task {id}: {state}\n"))?;
            }
            Ok(Value::Null) => drop(crate::print(&format!("{}\n", json!({ "id": id })))?),
            Ok(answer) => drop(crate::print(&format!("{answer}\n"))?),
            Err(error) => {
                eprintln!("error: task {id}: {error}");
                exit = Exit::Usage;
            }
        }
    }
    Ok(exit)
}
