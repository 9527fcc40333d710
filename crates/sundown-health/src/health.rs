//! What the answers are made of: the coordinator, the checks, the token.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use actix_web::http::header::HeaderMap;
use actix_web::web::ServiceConfig;
use sundown::ShutdownCoordinator;

use crate::{Token, routes};

type Check = Arc<dyn Fn() -> bool + Send + Sync>;

/// The health API of one service; cheap to clone.
#[derive(Clone)]
#[must_use = "it answers nothing until its routes are configured"]
pub struct Health {
    pub(crate) coordinator: Arc<dyn ShutdownCoordinator>,
    checks: Vec<(String, Check)>,
    token: Option<Token>,
    holds_readiness: bool,
}

/// Whether the service wants requests, and why not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Readiness {
    Ready,
    ShuttingDown,
    Unhealthy(String),
}

impl Health {
    /// The API of the service that this coordinator stops.
    pub fn new(coordinator: Arc<dyn ShutdownCoordinator>) -> Self {
        Health { coordinator, checks: Vec::new(), token: None, holds_readiness: false }
    }

    /// Adds a check: while it says no, or panics, the service is not ready, and the answer names it.
    /// It is called for every probe, so it must be quick and must not block.
    pub fn check(
        mut self,
        name: impl Into<String>,
        is_healthy: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Self {
        self.checks.push((name.into(), Arc::new(is_healthy)));
        self
    }

    /// Opens `POST /shutdown` to those who have this token. An empty one opens it to nobody.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Token::new(token);
        self
    }

    /// Stays ready while shutting down, for a service that has one replica: with nobody to take
    /// over, a request answered late is better than one refused.
    pub fn hold_readiness(mut self) -> Self {
        self.holds_readiness = true;
        self
    }

    /// The routes, for [`App::configure`](actix_web::App::configure).
    pub fn routes(&self) -> impl FnOnce(&mut ServiceConfig) + Clone + use<> {
        let health = self.clone();
        move |config| routes::configure(health, config)
    }

    pub(crate) fn readiness(&self) -> Readiness {
        if self.coordinator.is_shutting_down() && !self.holds_readiness {
            return Readiness::ShuttingDown;
        }
        let is_healthy = |check: &Check| catch_unwind(AssertUnwindSafe(|| check()));
        let ill = self.checks.iter().find(|(_, check)| !is_healthy(check).unwrap_or(false));
        ill.map_or(Readiness::Ready, |(name, _)| Readiness::Unhealthy(name.clone()))
    }

    pub(crate) fn has_token(&self) -> bool {
        self.token.is_some()
    }

    /// Whether the sender of these headers may stop the service.
    pub(crate) fn admits(&self, headers: &HeaderMap) -> bool {
        self.token.as_ref().is_some_and(|token| token.is_sent_with(headers))
    }
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let checks: Vec<&str> = self.checks.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Health")
            .field("checks", &checks)
            .field("has_token", &self.has_token())
            .field("holds_readiness", &self.holds_readiness)
            .finish_non_exhaustive()
    }
}
