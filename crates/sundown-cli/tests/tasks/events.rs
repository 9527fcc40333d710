//! The events of a task as a stream: whole, from any position, on any replica.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::api::{Desk, ask, count, submit, until, until_it};

/// One event of a stream.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Told {
    pub(crate) name: String,
    pub(crate) id: Option<u64>,
    pub(crate) data: Value,
}

/// Follows a task to its end.
pub(crate) async fn follow(at: SocketAddr, id: &str, query: &str, headers: &str) -> Vec<Told> {
    let answer = ask(at, &format!("GET /tasks/{id}/events{query}"), headers).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.head.contains("content-type: text/event-stream"), "{}", answer.head);
    let text = answer.text();
    let frames = text.split_terminator("\n\n").filter(|frame| frame.contains("data: "));
    frames.map(told).collect()
}

fn told(frame: &str) -> Told {
    let field = |name: &str| frame.lines().find_map(|line| line.strip_prefix(name));
    Told {
        name: field("event: ").unwrap().to_owned(),
        // That of `over` is none of the log.
        id: field("id: ").and_then(|id| id.parse().ok()),
        data: serde_json::from_str(field("data: ").unwrap()).unwrap(),
    }
}

fn ids(events: &[Told]) -> Vec<u64> {
    events.iter().filter_map(|event| event.id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_tells_everything_once_from_any_position_and_ends() {
    let desk = Desk::open("");
    let id = submit(desk.at(), &count(5, 30)).await;
    let live = follow(desk.at(), &id, "", "").await;
    assert_eq!(ids(&live), [1, 2, 3, 4, 5]);
    for (index, event) in live[..5].iter().enumerate() {
        let data = json!({ "done": index + 1, "total": 5 });
        assert_eq!((event.name.as_str(), &event.data["data"]), ("progress", &data));
        assert_eq!(event.data["attempt"], 1);
        assert!(event.data["at"].as_u64() > Some(0), "{event:?}");
    }
    let over = Told { name: "over".to_owned(), id: None, data: json!({ "state": "succeeded" }) };
    assert_eq!(live[5..], [over]);
    assert_eq!(follow(desk.at(), &id, "", "").await, live, "later it is the same");
    for (query, header, first) in [
        ("", "Last-Event-ID: 3\r\n", 3),
        ("?after=4", "", 4),
        ("?after=1", "Last-Event-ID: 5\r\n", 5),
    ] {
        assert_eq!(follow(desk.at(), &id, query, header).await, live[first..], "{query} {header}");
    }
    desk.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_position_that_is_forgotten_or_never_was_is_told_as_such() {
    let desk = Desk::open("");
    // More events than are kept.
    let id = submit(desk.at(), &count(1200, 0)).await;
    until(desk.at(), &id, "succeeded").await;
    let events = follow(desk.at(), &id, "", "").await;
    assert_eq!(events[0].name, "reset", "{:?}", events[0]);
    let next = events[0].data["next"].as_u64().unwrap();
    assert!(next > 1, "{:?}", events[0]);
    assert_eq!(ids(&events), (next..=1200).collect::<Vec<_>>());
    assert_eq!(events.last().unwrap().name, "over");
    assert_eq!(follow(desk.at(), &id, &format!("?after={}", next - 1), "").await, events[1..]);
    for ahead in [1201, u64::MAX] {
        let header = format!("Last-Event-ID: {ahead}\r\n");
        assert_eq!(follow(desk.at(), &id, "", &header).await, events, "{ahead}");
    }
    desk.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_and_new_beginnings_are_in_the_stream() {
    let commands = "[commands.fails]\nrun = [\"/bin/sh\", \"-c\", \"echo why >&2; exit 7\"]\n";
    let desk = Desk::configured(commands, "");
    let task = json!({ "kind": "command", "input": { "command": "fails" }, "max_attempts": 1 });
    let id = submit(desk.at(), &task).await;
    until(desk.at(), &id, "dead").await;
    assert_eq!(ask(desk.at(), &format!("POST /tasks/{id}/requeue"), "").await.status, 202);
    until_it(desk.at(), &id, |task| task["attempt"] == 2 && task["state"] == "dead").await;
    let events = follow(desk.at(), &id, "", "").await;
    let names: Vec<&str> = events.iter().map(|event| event.name.as_str()).collect();
    assert_eq!(names, ["failed", "requeued", "failed", "over"]);
    assert_eq!(events[0].data["data"], "`fails` ended with 7: why");
    assert_eq!(
        (&events[2].data["attempt"], &events[3].data),
        (&json!(2), &json!({ "state": "dead" }))
    );
    desk.close();
}

/// The id of the last event of a stream, as a browser keeps it.
async fn last_id(at: SocketAddr, id: &str, headers: &str) -> String {
    let answer = ask(at, &format!("GET /tasks/{id}/events"), headers).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let text = answer.text();
    let last = text.lines().rev().find_map(|line| line.strip_prefix("id: "));
    last.unwrap_or_else(|| panic!("{text}")).to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_after_over_is_told_to_stay_away() {
    let commands = "[commands.fails]\nrun = [\"/bin/false\"]\n";
    let desk = Desk::configured(commands, "");
    let returns = async |id: &str, last: &str| {
        let header = format!("Last-Event-ID: {last}\r\n");
        ask(desk.at(), &format!("GET /tasks/{id}/events"), &header).await
    };
    // With events in its log, and without any.
    for total in [3, 0] {
        let id = submit(desk.at(), &count(total, 0)).await;
        until(desk.at(), &id, "succeeded").await;
        let last = last_id(desk.at(), &id, "").await;
        let answer = returns(&id, &last).await;
        assert_eq!((answer.status, answer.body.len()), (204, 0), "{last}");
        // Whoever lost the connection before `over` came has still to hear it.
        let events = follow(desk.at(), &id, "", &format!("Last-Event-ID: {total}\r\n")).await;
        assert_eq!(events.last().unwrap().name, "over");
        assert_eq!(returns(&id, "-over").await.status, 400);
    }
    let task = json!({ "kind": "command", "input": { "command": "fails" }, "max_attempts": 1 });
    let id = submit(desk.at(), &task).await;
    until(desk.at(), &id, "dead").await;
    let last = last_id(desk.at(), &id, "").await;
    assert_eq!(returns(&id, &last).await.status, 204);
    ask(desk.at(), &format!("POST /tasks/{id}/requeue"), "").await;
    until_it(desk.at(), &id, |task| task["attempt"] == 2 && task["state"] == "dead").await;
    let header = format!("Last-Event-ID: {last}\r\n");
    let events = follow(desk.at(), &id, "", &header).await;
    let names: Vec<&str> = events.iter().map(|event| event.name.as_str()).collect();
    assert_eq!(names, ["requeued", "failed", "over"], "it was begun again since");
    desk.close();
}
