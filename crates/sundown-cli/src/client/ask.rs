//! What can be asked for on the command line.

use serde_json::{Value, json};

/// What `sundown tasks --help` prints.
pub(crate) const HELP: &str = "\
Hands tasks in to a service that runs, looks at them, and ends them.

Usage: sundown tasks COMMAND [flags]

  submit KIND INPUT    hands a task in; INPUT is JSON, or - for the standard input
      --key KEY        whoever asks again with this key gets the same task
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

  --url URL            where the service is [http://127.0.0.1:8080]

The token is taken from SUNDOWN_WEB_TOKEN. On a terminal the answers are for people, elsewhere JSON.
Exit codes: 0 done, 2 wrong usage or an error, 3 the task that was followed did not succeed.
";

/// Where, and what.
#[derive(Debug, PartialEq)]
pub(super) struct Asked {
    pub(super) what: Ask,
    pub(super) url: String,
    pub(super) token: Option<String>,
}

#[derive(Debug, PartialEq)]
pub(super) enum Ask {
    /// `reads` says that the input is on the standard input.
    Submit {
        task: Value,
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
}

/// What stands on the command line, flags apart.
struct Words {
    plain: Vec<String>,
    flags: Vec<(String, String)>,
}

pub(super) fn parse(arguments: Vec<String>) -> Result<Asked, String> {
    let mut words = sort(arguments)?;
    let url = words.take("--url").unwrap_or_else(|| "http://127.0.0.1:8080".to_owned());
    if words.plain.is_empty() {
        return Err("say what to do with tasks (see sundown tasks --help)".to_owned());
    }
    let command = words.plain.remove(0);
    let what = match command.as_str() {
        "submit" => submit(&mut words)?,
        "list" => Ask::List { query: query(&mut words)? },
        "show" => Ask::Show(one(&words.plain, "show")?),
        "watch" => Ask::Watch(one(&words.plain, "watch")?),
        "cancel" => Ask::Cancel(some(&words.plain, "cancel")?),
        "requeue" => Ask::Requeue(some(&words.plain, "requeue")?),
        "discard" => Ask::Discard(some(&words.plain, "discard")?),
        unknown => return Err(format!("unknown command `{unknown}` (see sundown tasks --help)")),
    };
    if let Some((flag, _)) = words.flags.first() {
        return Err(format!("`{command}` knows no {flag} (see sundown tasks --help)"));
    }
    let token = std::env::var("SUNDOWN_WEB_TOKEN").ok().filter(|token| !token.is_empty());
    Ok(Asked { what, url, token })
}

fn sort(arguments: Vec<String>) -> Result<Words, String> {
    let mut words = Words { plain: Vec::new(), flags: Vec::new() };
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        if !argument.starts_with("--") {
            words.plain.push(argument);
            continue;
        }
        let (name, value) = match argument.split_once('=') {
            Some((name, value)) => (name.to_owned(), value.to_owned()),
            None if argument == "--watch" => (argument, String::new()),
            None => {
                let value = arguments.next();
                let value =
                    value.ok_or_else(|| format!("{argument} takes a value, and none came"))?;
                (argument, value)
            }
        };
        words.flags.push((name, value));
    }
    Ok(words)
}

impl Words {
    fn take(&mut self, flag: &str) -> Option<String> {
        let at = self.flags.iter().position(|(name, _)| name == flag)?;
        Some(self.flags.remove(at).1)
    }

    fn number(&mut self, flag: &str) -> Result<Option<i64>, String> {
        let number =
            |text: String| text.parse().map_err(|_| format!("{flag} takes a number, not `{text}`"));
        self.take(flag).map(number).transpose()
    }
}

fn submit(words: &mut Words) -> Result<Ask, String> {
    let [kind, input] = &words.plain[..] else {
        return Err("submit takes a kind and an input (see sundown tasks --help)".to_owned());
    };
    let reads = input == "-";
    let input = if reads {
        Value::Null
    } else {
        serde_json::from_str(input).map_err(|error| format!("INPUT is no JSON: {error}"))?
    };
    let mut task = json!({ "kind": kind, "input": input });
    if let Some(key) = words.take("--key") {
        task["key"] = key.into();
    }
    if let Some(priority) = words.number("--priority")? {
        task["priority"] = priority.into();
    }
    if let Some(attempts) = words.number("--attempts")? {
        task["max_attempts"] = attempts.into();
    }
    Ok(Ask::Submit { task, reads, watches: words.take("--watch").is_some() })
}

fn query(words: &mut Words) -> Result<String, String> {
    if let Some(word) = words.plain.first() {
        return Err(format!("list takes no `{word}` (see sundown tasks --help)"));
    }
    let mut query = String::new();
    for flag in ["state", "kind", "limit", "cursor"] {
        if let Some(value) = words.take(&format!("--{flag}")) {
            query.push(if query.is_empty() { '?' } else { '&' });
            query.push_str(&format!("{flag}={}", escaped(&value)));
        }
    }
    Ok(query)
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

fn some(words: &[String], command: &str) -> Result<Vec<String>, String> {
    if words.is_empty() {
        return Err(format!("{command} takes the ids of tasks"));
    }
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

    #[test]
    fn what_is_asked_for_is_understood() {
        let task = json!({ "kind": "command", "input": {"a": 1}, "key": "k", "priority": 3 });
        let line = r#"submit command {"a":1} --key k --priority=3 --watch"#;
        assert_eq!(parsed(line), Ok(Ask::Submit { task, reads: false, watches: true }));
        for (line, input, reads) in
            [("submit x -", Value::Null, true), ("submit x \"-\"", json!("-"), false)]
        {
            let task = json!({ "kind": "x", "input": input });
            assert_eq!(parsed(line), Ok(Ask::Submit { task, reads, watches: false }));
        }
        let query = "?state=dead&kind=a%26b".to_owned();
        assert_eq!(parsed("list --kind a&b --state dead"), Ok(Ask::List { query }));
        assert_eq!(parsed("cancel 3 4"), Ok(Ask::Cancel(vec!["3".to_owned(), "4".to_owned()])));
    }

    #[test]
    fn mistakes_are_named() {
        for (line, culprit) in [
            ("", "say what to do"),
            ("submit x", "a kind and an input"),
            ("submit x {", "INPUT is no JSON"),
            ("submit x {} --priority high", "--priority takes a number, not `high`"),
            ("list --colour red", "`list` knows no --colour"),
            ("watch x", "`x` is no task id"),
            ("cancel", "takes the ids"),
            ("watch 1 --url", "--url takes a value"),
        ] {
            let error = parsed(line).expect_err(line);
            assert!(error.contains(culprit), "{line}: {error}");
        }
    }
}
