//! A Prometheus exporter that tells of the shutdown up to its last word.
//!
//! [`MetricsService`] becomes the recorder behind the `metrics` facade and renders what was
//! recorded; whoever serves HTTP calls [`render`](MetricsService::render) from a closure. It opens
//! no port of its own, so scrapes are answered for as long as the application answers anything.
//!
//! ```
//! use std::time::Duration;
//! use sundown::{Cause, Coordinator};
//! use sundown_metrics::{MetricsService, Settings};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let coordinator = Coordinator::builder().cap(Duration::from_secs(30)).build()?;
//! let metrics = MetricsService::start(coordinator.clone(), Settings::default())?;
//!
//! let scraped = metrics.clone();
//! let answer = move || scraped.render();            // what `GET /metrics` answers
//! metrics.watch("queue_depth", "Jobs that wait.", || 3.0);
//! metrics.count_active_tasks(|| 2);                 // asked once, when the shutdown begins
//! assert!(answer().contains("application_shutting_down 0"));
//!
//! coordinator.initiate(Cause::requested("doc test"));
//! assert!(answer().contains("application_shutting_down 1"));
//! assert!(answer().contains("active_tasks_at_shutdown 2"));
//! coordinator.run().await;
//! assert!(answer().contains("graceful_shutdown_duration_seconds_count 1"));
//! # Ok(())
//! # }
//! ```
//!
//! # What it records
//!
//! | metric | type | when |
//! |---|---|---|
//! | `application_shutting_down` | gauge | 0, and 1 in the moment the shutdown begins |
//! | `active_tasks_at_shutdown` | gauge | then as well, from [`count_active_tasks`](MetricsService::count_active_tasks) |
//! | `graceful_shutdown_duration_seconds` | histogram | at the very end, by the last hook of `release` |
//! | `process_*` | gauges, one counter | by the updater, every [`interval`](Settings::interval), until the shutdown begins, and once at the end |
//! | those [watched](MetricsService::watch) | gauges | likewise |
//!
//! What the core and the layers record under `sundown_` is described here too, with buckets that
//! suit a shutdown. Every histogram is a true one (`_bucket`, `_sum`, `_count`), never a summary:
//! summaries of several replicas cannot be added up.
//!
//! # The last values
//!
//! A process that stops is rarely scraped again in time. With
//! [`last_values`](Settings::last_values) its metrics are left in a file at the end, which is
//! replaced in one step, as `node_exporter`'s textfile collector asks for.

mod buckets;
mod exposition;
mod last;
mod names;
mod process;
mod service;
mod settings;
mod watched;

pub use service::MetricsService;
pub use settings::{Settings, StartError};
