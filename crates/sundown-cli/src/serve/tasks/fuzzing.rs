//! The bodies and queries of the tasks API as the fuzz targets call them.

use actix_web::HttpResponse;
use actix_web::body::MessageBody as _;
use actix_web::error::JsonPayloadError;
use actix_web::web::Query;

use super::answer::{nonsense, unreadable_answer};
use super::ask::{Batch, Listing, NewTask};

/// How many tasks a body holds: one, or those of a batch.
///
/// # Errors
///
/// The body of the answer that refuses it.
pub fn new_tasks(body: &[u8], is_batch: bool) -> Result<usize, Vec<u8>> {
    let unreadable = |error| bytes(unreadable_answer(&JsonPayloadError::Deserialize(error)));
    let tasks: Vec<NewTask> = if is_batch {
        serde_json::from_slice::<Batch>(body).map_err(unreadable)?.tasks
    } else {
        vec![serde_json::from_slice(body).map_err(unreadable)?]
    };
    let count = tasks.len();
    let requests: Result<Vec<_>, _> =
        tasks.into_iter().map(|task| task.into_request(None)).collect();
    requests.map(|_| count).map_err(|why| bytes(nonsense(&why)))
}

/// Whether a query asks for a page of tasks.
///
/// # Errors
///
/// The body of the answer that refuses it.
pub fn page_asked(query: &str) -> Result<(), Vec<u8>> {
    let listing =
        Query::<Listing>::from_query(query).map_err(|error| bytes(nonsense(&error.to_string())))?;
    listing.into_inner().into_filter().map(drop).map_err(|why| bytes(nonsense(&why)))
}

fn bytes(answer: HttpResponse) -> Vec<u8> {
    answer.into_body().try_into_bytes().map(|bytes| bytes.to_vec()).unwrap_or_default()
}
