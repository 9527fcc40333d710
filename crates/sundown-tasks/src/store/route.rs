//! Routes: what a process needs to run a task, within its kind.

use std::sync::Arc;

/// How many of a kind are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The kind.
    pub kind: String,
    /// Of these routes. Tasks without a route are always wanted.
    pub routes: Arc<[String]>,
    /// At most so many.
    pub count: usize,
}

/// A kind, and a route within it; an empty one stands for tasks without a route.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// The kind.
    pub kind: String,
    /// The route.
    pub name: String,
}

/// Tasks that no living process claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unserved {
    /// Of which route.
    pub route: Route,
    /// How many could run now; what is beyond [`COUNTED`](Self::COUNTED) is not counted.
    pub tasks: u64,
}

impl Unserved {
    /// How far the tasks of a route are counted.
    pub const COUNTED: u64 = 10_000;
    /// How many routes are told at the most.
    pub const ROUTES: usize = 1000;
}
