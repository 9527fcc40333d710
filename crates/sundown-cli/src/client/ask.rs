//! What can be asked for on the command line.

use std::io::{IsTerminal as _, stdout};

use serde::Serialize;
use serde_json::value::RawValue;

use super::bulk::{Bulk, Operation};
use super::show::Form;
use super::when;
use super::words::Words;

/// Where the service is unless that is said.
pub(super) const HERE: &str = "http://127.0.0.1:8080";

/// What `sundown tasks --help` prints.
pub(crate) const HELP: &str = "\
Hands tasks in to a service that runs, looks at them, and ends them.

Usage: sundown tasks COMMAND [flags]

  submit KIND INPUT    hands a task in; INPUT is JSON, or - for the standard input
      --in TIME        begins after this time: 30s, 5m, 2h
      --at TIME        begins then: 09:00, \"2027-01-31 09:00\" (both local), 2027-01-31T09:00:00Z
      --key KEY        whoever asks again with this key gets the same task; by itself a new one
      --priority N     the higher, the sooner
      --attempts N     how many attempts may fail
      --watch          and follows it
  list                 the newest tasks
      --state STATE    pending, running, succeeded, failed, cancelled or dead
      --kind KIND
      --limit N
      --cursor ID      those before this one
  show ID              a task as it stands
  watch ID             follows a task until it is over
  cancel ID…           ends tasks, or has them ended
  requeue ID…          lets tasks that failed, died or were cancelled begin again
  discard ID…          forgets tasks that are over
      --state, --kind  instead of ids: all such tasks, after a question
      --yes            without the question

  -o, --output FORM    table or json; by itself a table on a terminal, JSON elsewhere
  --url URL            where the service is [http://127.0.0.1:8080]

The token is taken from SUNDOWN_WEB_TOKEN.
Exit codes: 0 done, 2 wrong usage or an error, 3 the task that was followed did not succeed.
";

/// A task to be, its input as it was given.
#[derive(Debug, Serialize)]
pub(super) struct NewTask {
    kind: String,
    pub(super) input: Box<RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_attempts: Option<i64>,
    /// Milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) run_at: Option<i64>,
}

/// Where, and what.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) what: Ask,
    pub(super) url: String,
    pub(super) token: Option<String>,
    pub(super) form: Form,
}

#[derive(Debug)]
pub(super) enum Ask {
    Help,
    /// `reads` says that the input is on the standard input.
    Submit {
        task: NewTask,
        reads: bool,
        watches: bool,
    },
    List {
        query: String,
    },
    Show(String),
    Watch(String),
    Cancel(Vec<String>),
    Requeue(Vec<String>),
    Discard(Vec<String>),
    Bulk(Bulk),
}

pub(super) fn parse(arguments: Vec<String>) -> Result<Asked, String> {
    let mut words = Words::sort(arguments)?;
    let url = words.take("--url").unwrap_or_else(|| HERE.to_owned());
    let form = form(words.take("--output").as_deref())?;
    if words.plain.is_empty() {
        return Err("say what to do with tasks (see sundown tasks --help)".to_owned());
    }
    let command = words.plain.remove(0);
    let what = match command.as_str() {
        "help" => Ask::Help,
        "submit" => submit(&mut words)?,
        "list" => Ask::List { query: query(&mut words)? },
        "show" => Ask::Show(one(&words.plain, "show")?),
        "watch" => Ask::Watch(one(&words.plain, "watch")?),
        "cancel" => change(&mut words, Operation::Cancel, Ask::Cancel)?,
        "requeue" => change(&mut words, Operation::Requeue, Ask::Requeue)?,
        "discard" => change(&mut words, Operation::Discard, Ask::Discard)?,
        unknown => return Err(format!("unknown command `{unknown}` (see sundown tasks --help)")),
    };
    if let Some(flag) = words.unused() {
        return Err(format!("`{command}` knows no {flag} (see sundown tasks --help)"));
    }
    let token = std::env::var("SUNDOWN_WEB_TOKEN").ok().filter(|token| !token.is_empty());
    Ok(Asked { what, url, token, form })
}

fn form(given: Option<&str>) -> Result<Form, String> {
    match given {
        Some("table") => Ok(Form::Table),
        Some("json") => Ok(Form::Json),
        Some(other) => Err(format!("--output takes table or json, not `{other}`")),
        None if stdout().is_terminal() => Ok(Form::Table),
        None => Ok(Form::Json),
    }
}

/// Tasks by their ids, or by a filter.
fn change(
    words: &mut Words,
    operation: Operation,
    by_id: fn(Vec<String>) -> Ask,
) -> Result<Ask, String> {
    let (state, kind) = (words.take("--state"), words.take("--kind"));
    let name = operation.name();
    match (state.is_some() || kind.is_some(), words.plain.is_empty()) {
        (true, true) => {
            let is_sure = words.take("--yes").is_some();
            Ok(Ask::Bulk(Bulk { operation, state, kind, is_sure }))
        }
        (true, false) => Err(format!("{name} takes ids, or --state and --kind, and not both")),
        (false, true) => Err(format!("{name} takes the ids of tasks, or --state or --kind")),
        (false, false) => some(&words.plain).map(by_id),
    }
}

fn submit(words: &mut Words) -> Result<Ask, String> {
    let [kind, input] = &words.plain[..] else {
        return Err("submit takes a kind and an input (see sundown tasks --help)".to_owned());
    };
    let (kind, reads) = (kind.clone(), input == "-");
    let input = if reads {
        RawValue::NULL.to_owned()
    } else {
        serde_json::from_str(input).map_err(|error| format!("INPUT is no JSON: {error}"))?
    };
    let task = NewTask {
        kind,
        input,
        key: words.take("--key"),
        priority: words.number("--priority", i16::MIN.into()..=i16::MAX.into())?,
        max_attempts: words.number("--attempts", 1..=u32::MAX.into())?,
        run_at: due(words.take("--in"), words.take("--at"))?,
    };
    Ok(Ask::Submit { task, reads, watches: words.take("--watch").is_some() })
}

/// When it is to begin, in milliseconds since 1970.
fn due(wait: Option<String>, at: Option<String>) -> Result<Option<i64>, String> {
    let due = match (wait, at) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => return Err("--in and --at came both (give one)".to_owned()),
        (Some(wait), None) => when::after(&wait, &when::now())?,
        (None, Some(at)) => when::at(&at, &when::now())?,
    };
    Ok(Some(due.as_millisecond().max(0)))
}

fn query(words: &mut Words) -> Result<String, String> {
    if let Some(word) = words.plain.first() {
        return Err(format!("list takes no `{word}` (see sundown tasks --help)"));
    }
    let limit = words.number("--limit", 1..=500)?.map(|limit| limit.to_string());
    let cursor = words.take("--cursor").map(|id| checked(&id).map_err(|_| no_cursor(&id)));
    let asked = [
        ("state", words.take("--state")),
        ("kind", words.take("--kind")),
        ("limit", limit),
        ("cursor", cursor.transpose()?),
    ];
    let asked = asked.into_iter().filter_map(|(name, value)| Some((name, value?)));
    let asked: Vec<String> =
        asked.map(|(name, value)| format!("{name}={}", escaped(&value))).collect();
    Ok(if asked.is_empty() { String::new() } else { format!("?{}", asked.join("&")) })
}

fn no_cursor(text: &str) -> String {
    format!("--cursor takes the id of a task, not `{text}`")
}

/// As it may stand in a query.
fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    let escape = |byte: u8| {
        if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    };
    text.bytes().map(escape).collect()
}

fn one(words: &[String], command: &str) -> Result<String, String> {
    match words {
        [id] => checked(id),
        _ => Err(format!("{command} takes the id of one task")),
    }
}

fn some(words: &[String]) -> Result<Vec<String>, String> {
    words.iter().map(|id| checked(id)).collect()
}

fn checked(id: &str) -> Result<String, String> {
    id.parse::<sundown_tasks::TaskId>().map(|id| id.to_string()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Ask, String> {
        parse(line.split_whitespace().map(str::to_owned).collect()).map(|asked| asked.what)
    }

    fn submitted(line: &str) -> (String, bool, bool) {
        match parsed(line) {
            Ok(Ask::Submit { task, reads, watches }) => {
                (serde_json::to_string(&task).unwrap(), reads, watches)
            }
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn what_is_asked_for_is_understood() {
        let line = r#"submit command {"a":1} --key k --priority=3 --watch"#;
        let task = r#"{"kind":"command","input":{"a":1},"key":"k","priority":3}"#;
        assert_eq!(submitted(line), (task.to_owned(), false, true));
        for (line, input, reads) in
            [("submit x -", "null", true), ("submit x \"-\"", "\"-\"", false)]
        {
            let task = format!(r#"{{"kind":"x","input":{input}}}"#);
            assert_eq!(submitted(line), (task, reads, false));
        }
        let list = parsed("list --kind a&b --state dead");
        assert!(matches!(list, Ok(Ask::List { query }) if query == "?state=dead&kind=a%26b"));
        assert!(matches!(parsed("cancel 3 4"), Ok(Ask::Cancel(ids)) if ids == ["3", "4"]));
        assert!(matches!(parsed("help"), Ok(Ask::Help)));
        let bulk = |operation, state: Option<&str>, kind: Option<&str>, is_sure| {
            let owned = |text: Option<&str>| text.map(str::to_owned);
            Bulk { operation, state: owned(state), kind: owned(kind), is_sure }
        };
        for (line, expected) in [
            ("requeue --state dead", bulk(Operation::Requeue, Some("dead"), None, false)),
            ("cancel --kind mail --yes", bulk(Operation::Cancel, None, Some("mail"), true)),
            (
                "discard --state=dead --kind mail",
                bulk(Operation::Discard, Some("dead"), Some("mail"), false),
            ),
        ] {
            assert!(matches!(parsed(line), Ok(Ask::Bulk(bulk)) if bulk == expected), "{line}");
        }
        let form = |line: &str| {
            parse(line.split_whitespace().map(str::to_owned).collect()).map(|asked| asked.form)
        };
        assert_eq!(form("list -o json"), Ok(Form::Json));
        assert_eq!(form("list --output=table"), Ok(Form::Table));
    }

    #[test]
    fn a_task_may_begin_later() {
        let due = |line: &str| match parsed(line) {
            Ok(Ask::Submit { task, .. }) => task.run_at.expect("it was given"),
            other => panic!("{line}: {other:?}"),
        };
        assert_eq!(due("submit x {} --at 2027-01-31T09:00:00Z"), 1_801_386_000_000);
        let now = when::now().timestamp().as_millisecond();
        let in_an_hour = due("submit x {} --in 1h");
        assert!((3_600_000..3_660_000).contains(&(in_an_hour - now)), "{in_an_hour} {now}");
    }

    #[test]
    fn an_input_goes_as_it_was_given_to_the_last_digit() {
        let input = r#"{"n":123456789012345678901234567890.10,"n":1e400,"t":"\u0041"}"#;
        let (task, _, _) = submitted(&format!("submit x {input}"));
        assert_eq!(task, format!(r#"{{"kind":"x","input":{input}}}"#));
    }

    #[test]
    fn mistakes_are_named() {
        for (line, culprit) in [
            ("", "say what to do"),
            ("submit x", "a kind and an input"),
            ("submit x {", "INPUT is no JSON"),
            (
                "submit x {} --priority high",
                "--priority takes a number from -32768 to 32767, not `high`",
            ),
            ("submit x {} --priority 40000", "--priority takes a number"),
            ("submit x {} --attempts 0", "--attempts takes a number from 1"),
            ("submit x {} --watch=no", "--watch takes no value"),
            ("list --limit x", "--limit takes a number from 1 to 500, not `x`"),
            ("list --limit 501", "--limit takes a number"),
            ("list --cursor x", "--cursor takes the id"),
            ("list --state dead --state=failed", "--state came twice"),
            ("list --colour red", "`list` knows no --colour"),
            ("watch x", "`x` is no task id"),
            ("cancel", "takes the ids"),
            ("cancel 3 --state pending", "ids, or --state and --kind, and not both"),
            ("cancel 3 --yes", "`cancel` knows no --yes"),
            ("list -o yaml", "--output takes table or json, not `yaml`"),
            ("submit x {} --in soon", "--in takes a time like 30s"),
            ("submit x {} --at noon", "--at takes a time like"),
            ("submit x {} --in 1h --at 09:00", "--in and --at came both"),
            ("watch 1 --url", "--url takes a value"),
        ] {
            let error = parsed(line).expect_err(line);
            assert!(error.contains(culprit), "{line}: {error}");
        }
    }
}
