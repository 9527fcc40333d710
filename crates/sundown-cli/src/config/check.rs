//! What no key can see alone: values that cannot work together.

use std::net::SocketAddr;
use std::time::Duration;

use super::load::Loading;
use super::origin::Origin;
use super::{Auto, Budgets, Place, Time};

/// The shortest lease that can be kept on a busy machine.
const LEAST_LEASE: Duration = Duration::from_millis(100);

impl Loading {
    /// Everything that would fail later, or in the words of somebody who knows no keys.
    pub(super) fn check(&mut self, budgets: &Budgets) {
        self.check_listeners();
        self.check_positive();
        self.check_sum(budgets);
        self.check_tasks();
        self.check_pod();
    }

    fn check_tasks(&mut self) {
        let tasks = &self.config.tasks;
        if let Auto(Some(Place::File(_))) = tasks.store_listen {
            let what = "`tasks.store_listen` takes the URL of a server".to_owned();
            self.problem(self.origin("tasks.store_listen"), what);
        }
        if self.config.tasks.lease.0 < LEAST_LEASE {
            let what = format!("`tasks.lease` must be {LEAST_LEASE:?} or more");
            self.problem(self.origin("tasks.lease"), what);
        }
    }

    fn check_listeners(&mut self) {
        let web = &self.config.web;
        if !is_loopback(web.listen) && web.token.0.is_none() && !web.open {
            let what = format!(
                "`web.listen` is {}, which others can reach: set SUNDOWN_WEB_TOKEN or \
                 `web.token_file`, or `web.open` if everybody is to be served",
                web.listen
            );
            self.problem(self.origin("web.listen"), what);
        }
        let (web, admin) = (self.config.web.listen, self.config.admin.listen);
        if web == admin && web.port() != 0 {
            let what =
                format!("`admin.listen` is {admin}, as `web.listen` is (choose another port)");
            self.problem(self.origin("admin.listen"), what);
        }
    }

    fn check_positive(&mut self) {
        let config = &self.config;
        // What is chosen by itself fits itself in.
        let chosen = |time: &Auto<Time>| time.0.unwrap_or(Time::seconds(1));
        let positive = [
            ("shutdown.timeout", config.shutdown.timeout),
            ("shutdown.flush", chosen(&config.shutdown.flush)),
            ("shutdown.release", chosen(&config.shutdown.release)),
            ("web.head_timeout", config.web.head_timeout),
            ("web.stall_timeout", config.web.stall_timeout),
            ("metrics.interval", config.metrics.interval),
        ];
        for (path, _) in positive.iter().filter(|(_, time)| time.0 == Duration::ZERO) {
            self.problem(self.origin(path), format!("`{path}` must be more than 0"));
        }
        if self.config.temp.quota.0 == 0 {
            let origin = self.origin("temp.quota");
            self.problem(origin, "`temp.quota` must be more than 0".to_owned());
        }
    }

    /// That the fixed times leave something to drain in.
    fn check_sum(&mut self, budgets: &Budgets) {
        let timeout = self.config.shutdown.timeout;
        if timeout.0.is_zero() {
            return;
        }
        let told = |key: &str| match self.origin(key) {
            Origin::Default => format!("`{key}`"),
            origin => format!("`{key}` ({origin})"),
        };
        if let Some(what) = budgets.problem(timeout, told) {
            let keys =
                ["shutdown.timeout", "shutdown.flush", "shutdown.release", "shutdown.announce"];
            let set = keys.map(|key| self.origin(key)).into_iter();
            let origin = set.into_iter().find(|origin| *origin != Origin::Default);
            self.problem(origin.unwrap_or_default(), what);
        }
    }
}

/// Whether only this machine can reach it, written as an IPv4 address inside IPv6 or not.
pub(super) fn is_loopback(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}
