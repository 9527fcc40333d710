//! The events of a task as a stream, which can be taken up on any replica where it broke off.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_web::web::{Data, Path, Query};
use actix_web::{HttpRequest, HttpResponse};
use futures_core::Stream;
use serde::Deserialize;
use serde_json::{Value, json};
use sundown_tasks::{Follower, Heard, StoreError, TaskEvent, TaskService, What};
use sundown_web::{Event, EventStream};

use super::answer::{no_task, nonsense, store_failed};

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
    let header =
        request.headers().get("Last-Event-ID").map(|id| id.to_str().unwrap_or("?").parse());
    let after = match header {
        Some(Ok(last)) => last,
        Some(Err(_)) => return nonsense("Last-Event-ID is a number"),
        None => match from.after.as_deref().unwrap_or("0").parse() {
            Ok(after) => after,
            Err(_) => return nonsense("`after` is a number"),
        },
    };
    match tasks.get(id).await {
        Ok(Some(_)) => {
            EventStream::new(&request, Told::by(tasks.follow(id, after))).into_response()
        }
        Ok(None) => no_task(&id.to_string()),
        Err(error) => store_failed(&error),
    }
}

type Listening = Pin<Box<dyn Future<Output = (Follower, Result<Option<Heard>, StoreError>)>>>;

/// What a follower hears, as events. A store that does not answer ends it: the client comes back.
struct Told(Option<Listening>);

impl Told {
    fn by(follower: Follower) -> Self {
        Told(Some(listen(follower)))
    }
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
        let Some(listening) = &mut self.0 else { return Poll::Ready(None) };
        let (follower, heard) = ready!(listening.as_mut().poll(cx));
        self.0 = None;
        let Ok(Some(heard)) = heard else { return Poll::Ready(None) };
        if !matches!(heard, Heard::Over(_)) {
            self.0 = Some(listen(follower));
        }
        Poll::Ready(Some(event(heard)))
    }
}

/// Only what is in the log has an id: whoever comes back asks for what follows in the log.
fn event(heard: Heard) -> Event {
    match heard {
        Heard::Event(event) => {
            let (name, data) = content(&event);
            let data = json!({ "at": event.at, "attempt": event.attempt, "data": data });
            Event::new(data.to_string()).name(name).id(event.seq.to_string())
        }
        Heard::Reset(next) => Event::new(json!({ "next": next }).to_string()).name("reset"),
        Heard::Over(state) => Event::new(json!({ "state": state }).to_string()).name("over"),
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
