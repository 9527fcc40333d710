//! The tasks API: tasks are handed in, looked at, followed, ended and begun again.

mod answer;
mod ask;
mod bulk;
mod events;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;

use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use actix_web::web::{
    Data, Json, JsonConfig, Path, Query, QueryConfig, ServiceConfig, resource, scope,
};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use serde_json::json;
use sundown_tasks::{Change, Entry, TaskId, TaskService};

use self::answer::{
    changed, no_query, no_task, nonsense, only, refused, store_failed, taken_in, unreadable,
};
use self::ask::{Batch, Listing, NewTask, Utf8, key};

/// The most tasks that may come at once.
const BATCH: usize = 1000;
/// How many tasks a page has, unless said otherwise, and at the most.
const PAGE: usize = 50;
const LONGEST_PAGE: usize = 500;
/// A page ends when its tasks come to so many bytes: somebody who turns pages of large tasks must not
/// take all memory.
const HEAVIEST_PAGE: usize = 1 << 20;

/// The API as a document; a test holds it to what is served.
const DOCUMENT: &str = include_str!("../../openapi.json");

/// `limit` is how many bytes a body may have.
pub(super) fn routes(service: TaskService, limit: u64) -> impl FnOnce(&mut ServiceConfig) {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let bodies = JsonConfig::default().limit(limit).error_handler(unreadable);
    move |app| {
        let one = scope("/{id}")
            .service(
                resource("")
                    .get(task)
                    .head(task)
                    .delete(cancel)
                    .default_service(only("GET, HEAD, DELETE")),
            )
            .service(resource("/events").get(events::follow).default_service(only("GET")))
            .service(resource("/requeue").post(requeue).default_service(only("POST")))
            .service(resource("/discard").post(discard).default_service(only("POST")));
        let tasks = scope("/tasks")
            .app_data(bodies)
            .app_data(QueryConfig::default().error_handler(no_query))
            .service(
                resource("")
                    .post(submit)
                    .get(list)
                    .head(list)
                    .default_service(only("GET, HEAD, POST")),
            )
            .service(resource("/batch").post(batch).default_service(only("POST")))
            .service(resource("/cancel").post(bulk::cancel).default_service(only("POST")))
            .service(resource("/requeue").post(bulk::requeue).default_service(only("POST")))
            .service(resource("/discard").post(bulk::discard).default_service(only("POST")))
            .service(one);
        let document = resource("/openapi.json")
            .get(document)
            .head(document)
            .default_service(only("GET, HEAD"));
        app.app_data(Data::new(service)).service(tasks).service(document);
    }
}

async fn document() -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(DOCUMENT)
}

async fn submit(
    tasks: Data<TaskService>,
    request: HttpRequest,
    _: Utf8,
    Json(task): Json<NewTask>,
) -> HttpResponse {
    let request = key(request.headers()).and_then(|key| task.into_request(key));
    let request = match request {
        Ok(request) => request,
        Err(why) => return nonsense(&why),
    };
    match tasks.hand_in(request).await {
        Ok(started) => {
            let status = if started.is_new { StatusCode::CREATED } else { StatusCode::OK };
            let location = format!("/tasks/{}", started.id);
            HttpResponse::build(status).insert_header((LOCATION, location)).json(started)
        }
        Err(error) => refused(&error),
    }
}

async fn batch(
    tasks: Data<TaskService>,
    request: HttpRequest,
    _: Utf8,
    Json(batch): Json<Batch>,
) -> HttpResponse {
    if request.headers().contains_key("Idempotency-Key") {
        return nonsense("a batch has no Idempotency-Key (give each of its tasks a `key`)");
    }
    if batch.tasks.is_empty() || batch.tasks.len() > BATCH {
        let detail = format!("a batch has 1 to {BATCH} tasks, not {}", batch.tasks.len());
        return nonsense(&detail);
    }
    let mut requests = Vec::with_capacity(batch.tasks.len());
    for (index, task) in batch.tasks.into_iter().enumerate() {
        match task.into_request(None) {
            Ok(request) => requests.push(request),
            Err(why) => return nonsense(&format!("task {index}: {why}")),
        }
    }
    match tasks.hand_in_batch(requests).await {
        Ok(results) => {
            let results: Vec<_> = results.into_iter().map(taken_in).collect();
            HttpResponse::Ok().json(json!({ "results": results }))
        }
        Err(error) => store_failed(&error),
    }
}

async fn task(tasks: Data<TaskService>, id: Path<String>) -> HttpResponse {
    let Ok(id) = id.parse() else { return no_task(&id) };
    match tasks.get(id).await {
        Ok(Some(entry)) => HttpResponse::Ok().json(entry),
        Ok(None) => no_task(&id.to_string()),
        Err(error) => store_failed(&error),
    }
}

async fn list(tasks: Data<TaskService>, Query(listing): Query<Listing>) -> HttpResponse {
    let filter = match listing.into_filter() {
        Ok(filter) => filter,
        Err(why) => return nonsense(&why),
    };
    let limit = filter.limit;
    match tasks.list(filter).await {
        Ok(entries) => {
            // Where it was cut is known to the store, by its own sum; that the page after a heavy one
            // may be empty does no harm.
            let is_full = entries.len() == limit || weight(&entries) >= HEAVIEST_PAGE / 2;
            let next = entries.last().filter(|_| is_full).map(|last| last.id);
            HttpResponse::Ok().json(Page { tasks: entries, next })
        }
        Err(error) => store_failed(&error),
    }
}

/// Some tasks, and where the next ones begin.
#[derive(Serialize)]
struct Page {
    tasks: Vec<Entry>,
    next: Option<TaskId>,
}

/// How many bytes inputs, outputs and cursors have.
fn weight(tasks: &[Entry]) -> usize {
    let one = |task: &Entry| {
        let output = task.output.as_ref().map_or(0, |output| output.get().len());
        let cursor = task.checkpoint.as_ref().map_or(0, |reached| reached.cursor.to_string().len());
        task.input.get().len() + output + cursor
    };
    tasks.iter().map(one).sum()
}

async fn cancel(tasks: Data<TaskService>, id: Path<String>) -> HttpResponse {
    let Ok(id) = id.parse() else { return no_task(&id) };
    changed(id, tasks.cancel(id).await, "is over already (POST its /discard to forget it)")
}

async fn requeue(tasks: Data<TaskService>, id: Path<String>) -> HttpResponse {
    let Ok(id) = id.parse() else { return no_task(&id) };
    let hint = "can begin again only when it failed, died or was cancelled";
    changed(id, tasks.requeue(id).await, hint)
}

async fn discard(tasks: Data<TaskService>, id: Path<String>) -> HttpResponse {
    let Ok(id) = id.parse::<TaskId>() else { return no_task(&id) };
    match tasks.discard(id).await {
        Ok(Change::Now(_)) => HttpResponse::NoContent().finish(),
        other => changed(id, other, "can be forgotten only when it is over (DELETE it first)"),
    }
}
