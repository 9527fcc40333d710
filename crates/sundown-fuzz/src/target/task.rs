//! Bodies and queries of the tasks API: taken in exactly when an independent reader finds what the API
//! asks for.

use serde_json::{Map, Value};
use sundown_cli::fuzzing::{new_tasks, page_asked};

/// The longest body of a refusal.
const ANSWER: usize = 2048;
/// Ten years, and what the clock has moved since 1970 until any test of this runs.
const LATEST: u64 = 1000 * 86_400 * 366 * 200;

pub(crate) fn check(data: &[u8]) {
    for is_batch in [false, true] {
        match new_tasks(data, is_batch) {
            Ok(count) => is_what_was_sent(data, is_batch, count),
            Err(answer) => is_answer(&answer),
        }
    }
    if let Ok(query) = std::str::from_utf8(data)
        && let Err(answer) = page_asked(query)
    {
        is_answer(&answer);
    }
}

fn is_what_was_sent(data: &[u8], is_batch: bool, count: usize) {
    // Inputs that are nested deeper than this reader goes are passed on unread.
    let Ok(sent) = serde_json::from_slice::<Value>(data) else { return };
    let tasks: Vec<&Value> = if is_batch {
        let tasks = sent.get("tasks").or(sent.get(0)).and_then(Value::as_array);
        tasks.expect("a batch has tasks").iter().collect()
    } else {
        vec![&sent]
    };
    assert_eq!(tasks.len(), count, "{sent}");
    for task in tasks {
        // serde reads a sequence as the fields in their order.
        let Some(task) = task.as_object() else { continue };
        assert!(is_task(task), "{sent}");
    }
}

fn is_task(task: &Map<String, Value>) -> bool {
    task.iter().all(|(name, value)| match name.as_str() {
        "kind" => value.is_string(),
        "input" => true,
        "key" => value.is_string() || value.is_null(),
        "priority" => {
            value.is_null() || value.as_i64().is_some_and(|number| i16::try_from(number).is_ok())
        }
        "run_at" => value.is_null() || value.as_u64().is_some_and(|at| at < LATEST),
        "max_attempts" => {
            let is_count = |count: u64| (1..=u64::from(u32::MAX)).contains(&count);
            value.is_null() || value.as_u64().is_some_and(is_count)
        }
        _ => false,
    }) && task.contains_key("kind")
}

/// An answer is a small document of problem+json.
fn is_answer(answer: &[u8]) {
    let text = String::from_utf8_lossy(answer);
    assert!(answer.len() <= ANSWER, "{} bytes: {text}", answer.len());
    let body: Value =
        serde_json::from_slice(answer).unwrap_or_else(|error| panic!("{error}: {text}"));
    let detail = body["detail"].as_str().unwrap_or_default();
    assert!(!detail.is_empty() && body["status"].is_u64() && body["code"].is_string(), "{text}");
}
