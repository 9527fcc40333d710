//! Says whether the time a pod is given to stop is enough, before it is deployed.
//!
//! Kubernetes counts the preStop hook and the stop of the process against one clock, and nothing in it
//! knows how long the process wants:
//!
//! ```text
//! preStop + cap + margin ≤ terminationGracePeriodSeconds
//! ```
//!
//! ```
//! use sundown_check::{Check, Rule};
//!
//! let deployment = r#"
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: { name: shop }
//! spec:
//!   selector: { matchLabels: { app: shop } }
//!   template:
//!     metadata: { labels: { app: shop } }
//!     spec:
//!       terminationGracePeriodSeconds: 30
//!       containers:
//!         - name: shop
//!           image: shop:1
//!           env: [{ name: GRACEFUL_SHUTDOWN_TIMEOUT, value: "30" }]
//!           lifecycle: { preStop: { sleep: { seconds: 5 } } }
//! "#;
//! let report = Check::new().file("shop.yaml", deployment.as_bytes()).run();
//! assert!(report.fails());
//! let finding = &report.findings()[0];
//! assert_eq!((finding.rule, finding.place.line), (Rule::GraceTooShort, 10));
//! ```

mod check;
mod container;
mod document;
mod finding;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod known;
mod life;
mod node;
mod report;
mod rules;
mod schema;
mod sum;
mod workload;
mod yaml;

pub use check::Check;
pub use container::{Container, Knows, StopBudget};
pub use finding::{Finding, Place, Rule, Severity};
pub use life::PodLife;
pub use node::{Entry, Node, Value};
pub use report::Report;
pub use sum::{MARGIN, PodSum, Sum};
