//! Temporary files that never outlive their process for long.
//!
//! A handle removes its file when it is dropped; the shutdown removes what is left, and names what
//! was still in use; a sweeper removes what was abandoned; and what a killed process leaves, the
//! next one that starts removes, never touching those of the living.
//!
//! ```
//! use std::time::Duration;
//! use sundown::{Cause, Coordinator};
//! use sundown_tempfiles::{Settings, TempFiles};
//! use tokio::io::AsyncWriteExt as _;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let root = std::env::temp_dir().join(format!("sundown-doctest-{}", std::process::id()));
//! # let (report, scratch) = (root.join("report.csv"), root.join("tmp"));
//! let coordinator = Coordinator::builder().cap(Duration::from_secs(30)).build()?;
//! let settings = Settings::default().root(scratch).quota(64 << 20);
//! let temp = TempFiles::start(coordinator.clone(), settings).await?;
//!
//! let mut draft = temp.file("report.csv").await?;   // gone with its handle
//! draft.write_all(b"name,price\n").await?;          // an error if the quota has no room
//! draft.persist(&report).await?;                    // or moved out, in one step
//!
//! coordinator.initiate(Cause::requested("doc test"));
//! coordinator.run().await;                          // whatever is left, is removed
//! assert!(!temp.path().exists());
//! assert_eq!(std::fs::read(&report)?, b"name,price\n");
//! # std::fs::remove_dir_all(root)?;
//! # Ok(())
//! # }
//! ```
//!
//! # Who removes what, and when
//!
//! | what | is removed |
//! |---|---|
//! | a file or directory with a handle | when the handle is dropped; never by the sweeper, however old |
//! | one that was [left](TempFile::leave), or that somebody put there | once it has not changed for the [age](Settings::age) |
//! | all of them | by a hook of `release`, of the lowest priority. Handles that are still alive are named in its error and in the log, so the stop is not a clean one; unless they are [for life](TempDir::for_life) |
//! | those of a process that is dead | by the next start on the same root, or by a living neighbour's sweeper |
//! | those of a living process | by nobody else |
//!
//! Whether a process lives is not told by its id, but by a lock (flock) on its directory, which
//! the kernel gives up with the process. So the root must be on a local file system.
//!
//! # No way out
//!
//! Names are one component or refused. Files are opened relative to the directory of the process,
//! exclusively, and never through a link; sweeping and removing walk by descriptor and treat a
//! link as the link itself. A root that is a link, that belongs to somebody else, or that others
//! may write to is refused.
//!
//! # Metrics
//!
//! Through the `metrics` facade: `sundown_tempfiles_held`, `_used_bytes`, `_limit_bytes`,
//! `_created_total`, `_removed_total` and `_removed_bytes_total` (by `handle`, `sweeper`,
//! `release`, `successor`), `_persisted_total`, `_quota_refusals_total`,
//! `_in_use_at_release_total`.
#![cfg(unix)]

mod dir;
mod error;
mod file;
mod ledger;
mod metrics;
mod name;
mod persist;
mod place;
mod pool;
mod release;
mod root;
mod service;
mod settings;
mod tree;

pub use dir::TempDir;
pub use error::{Error, NameError, PersistError, QuotaExceeded, StartError};
pub use file::TempFile;
pub use ledger::InUse;
pub use service::{Swept, TempFiles};
pub use settings::Settings;
pub use tree::Tally;
