//! The events of a task as a stream, which can be taken up on any replica where it broke off.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_web::web::{Data, Path, Query};
use actix_web::{HttpRequest, HttpResponse};
use futures_core::Stream;
use serde::Deserialize;
use serde_json::{Value, json};
use sundown_tasks::{Entry, Follower, Heard, StoreError, TaskEvent, TaskService, What};
use sundown_web::{Event, EventStream};

use super::answer::{no_task, nonsense, store_failed};

/// What the id of `over` has behind the number of the last event.
const OVER: &str = "-over";

/// From where.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct From {
    after: Option<String>,
}

/// `Last-Event-ID` comes from a client that takes its stream up again, `after` from one that begins.
pub(super) async fn follow(
    tasks: Data<TaskService>,
    id: Path<String>,
    from: Query<From>,
    request: HttpRequest,
) -> HttpResponse {
    let Ok(id) = id.parse() else { return no_task(&id) };
    let last = request.headers().get("Last-Event-ID").map(|id| id.to_str().unwrap_or("?"));
    // The id of `over` tells that it was heard.
    let heard_over = last.and_then(|last| last.strip_suffix(OVER));
    let after = match heard_over.or(last).map(str::parse) {
        Some(Ok(last)) => last,
        Some(Err(_)) => return nonsense("Last-Event-ID is the `id` of an event"),
        None => match from.after.as_deref().unwrap_or("0").parse() {
            Ok(after) => after,
            Err(_) => return nonsense("`after` is a number"),
        },
    };
    match tasks.get(id).await {
        // The one answer at which a browser's EventSource does not come back.
        Ok(Some(entry)) if heard_over.is_some() && is_over(&entry, after) => {
            HttpResponse::NoContent().finish()
        }
        Ok(Some(_)) => {
            let told = Told { next: Some(listen(tasks.follow(id, after))), last: after };
            EventStream::new(&request, told).into_response()
        }
        Ok(None) => no_task(&id.to_string()),
        Err(error) => store_failed(&error),
    }
}

/// Whether nothing comes behind this event any more.
fn is_over(entry: &Entry, after: u64) -> bool {
    entry.state.is_final() && entry.last_event == after
}

type Listening = Pin<Box<dyn Future<Output = (Follower, Result<Option<Heard>, StoreError>)>>>;

/// What a follower hears, as events. A store that does not answer ends it: the client comes back.
struct Told {
    next: Option<Listening>,
    /// The number of the last event of the log that was told.
    last: u64,
}

fn listen(mut follower: Follower) -> Listening {
    Box::pin(async move {
        let heard = follower.next().await;
        (follower, heard)
    })
}

impl Stream for Told {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        let Some(listening) = &mut self.next else { return Poll::Ready(None) };
        let (follower, heard) = ready!(listening.as_mut().poll(cx));
        self.next = None;
        let Ok(Some(heard)) = heard else { return Poll::Ready(None) };
        if !matches!(heard, Heard::Over(_)) {
            self.next = Some(listen(follower));
        }
        self.last = match &heard {
            Heard::Event(event) => event.seq,
            Heard::Reset(next) => next.saturating_sub(1),
            Heard::Over(_) => self.last,
        };
        Poll::Ready(Some(event(heard, self.last)))
    }
}

/// Whoever comes back asks for what follows in the log, so the ids are the numbers of the log. That of
/// `over` is the last of them, with a word behind it: it is not in the log, and a task that was begun
/// again goes on behind it.
fn event(heard: Heard, last: u64) -> Event {
    match heard {
        Heard::Event(event) => {
            let (name, data) = content(&event);
            let data = json!({ "at": event.at, "attempt": event.attempt, "data": data });
            Event::new(data.to_string()).name(name).id(event.seq.to_string())
        }
        Heard::Reset(next) => Event::new(json!({ "next": next }).to_string()).name("reset"),
        Heard::Over(state) => {
            let event = Event::new(json!({ "state": state }).to_string()).name("over");
            event.id(format!("{last}{OVER}"))
        }
    }
}

fn content(event: &TaskEvent) -> (&'static str, Value) {
    match &event.what {
        What::Progress(data) => ("progress", json!(data)),
        What::Failed(error) => ("failed", json!(error)),
        What::Interrupted(reason) => ("interrupted", json!(reason)),
        What::Requeued => ("requeued", Value::Null),
    }
}
