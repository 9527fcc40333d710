//! What this process claims is said to the others, and what no living process claims is looked for: such
//! tasks wait, and people are told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sundown::Shutdown;
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use crate::decline::DECLINED;
use crate::{Entry, Route, State, Store, Unserved, metrics};

/// How often it is said and looked for.
const OFTEN: Duration = Duration::from_secs(3);
/// How long others believe it.
const LIFE: Duration = Duration::from_secs(12);

/// The routes of this process, and those that nobody has.
#[derive(Debug)]
pub(crate) struct Serving {
    own: Vec<Route>,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// The routes that nobody had when it was last looked for.
    unserved: BTreeSet<Route>,
    /// Those of which people were told.
    told: BTreeSet<Route>,
    /// Of which kinds it is told how many tasks wait so.
    kinds: BTreeSet<String>,
}

/// What is to be told.
#[derive(Debug, Default, PartialEq, Eq)]
struct News {
    missing: Vec<Unserved>,
    served: Vec<Route>,
}

impl Serving {
    pub(crate) fn new(own: Vec<Route>) -> Self {
        // Those of its own are told from the beginning, as 0.
        let kinds = own.iter().map(|route| route.kind.clone()).collect();
        Serving { own, seen: Mutex::new(Seen { kinds, ..Seen::default() }) }
    }

    /// Goes on until the process exits. While it stops it claims nothing any more, and says so.
    pub(crate) async fn keep(&self, store: &Arc<dyn Store>, shutdown: &Shutdown) {
        let mut is_withdrawn = false;
        loop {
            if !shutdown.is_shutting_down() {
                let _ = timeout(OFTEN, store.advertise(self.own.clone(), LIFE)).await;
                if let Ok(Ok(unserved)) = timeout(OFTEN, store.unserved()).await {
                    self.look(unserved);
                }
            } else if !is_withdrawn {
                let said = timeout(OFTEN, store.advertise(Vec::new(), LIFE)).await;
                is_withdrawn = matches!(said, Ok(Ok(())));
            }
            tokio::select! {
                () = sleep(OFTEN.mul_f64(0.75 + fastrand::f64() / 2.0)) => {}
                _ = shutdown.wait(), if !is_withdrawn && !shutdown.is_shutting_down() => {}
            }
        }
    }

    fn look(&self, unserved: Vec<Unserved>) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut tasks: BTreeMap<String, u64> =
            seen.kinds.iter().map(|kind| (kind.clone(), 0)).collect();
        for one in &unserved {
            *tasks.entry(one.route.kind.clone()).or_default() += one.tasks;
        }
        seen.kinds = tasks.keys().cloned().collect();
        let news = seen.next(unserved);
        drop(seen);
        for (kind, tasks) in tasks {
            metrics::unserved(&kind, tasks);
        }
        for Unserved { route: Route { kind, name }, tasks } in news.missing {
            let hint = "they wait; start a replica that has it, or cancel them";
            warn!(kind, route = name, tasks, hint, "tasks wait that no running replica can run");
        }
        for Route { kind, name } in news.served {
            info!(kind, route = name, "no task waits any more for a replica that can run it");
        }
    }

    /// What this task waits for, if that is a replica that is not there.
    pub(crate) fn waits_for(&self, task: &Entry) -> Option<String> {
        if task.state != State::Pending {
            return None;
        }
        let (kind, route) = (&task.kind, &task.route);
        let at = Route { kind: kind.clone(), name: route.clone() };
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.unserved.contains(&at) {
            return Some(match route.as_str() {
                "" => format!("no running replica has the kind `{kind}`"),
                route => format!("no running replica has the {kind} `{route}`"),
            });
        }
        let why = task.error.as_deref()?.strip_prefix(DECLINED)?;
        Some(format!("a replica that can run it; the last one could not: {why}"))
    }
}

impl Seen {
    /// One look more. A route is told of when it is missing for the second time in a row: a replica that
    /// is just being replaced is no news.
    fn next(&mut self, unserved: Vec<Unserved>) -> News {
        let now: BTreeSet<Route> = unserved.iter().map(|one| one.route.clone()).collect();
        let is_news =
            |one: &Unserved| self.unserved.contains(&one.route) && !self.told.contains(&one.route);
        let missing: Vec<Unserved> = unserved.into_iter().filter(is_news).collect();
        let served: Vec<Route> = self.told.difference(&now).cloned().collect();
        self.told.retain(|route| now.contains(route));
        self.told.extend(missing.iter().map(|one| one.route.clone()));
        self.unserved = now;
        News { missing, served }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unserved(name: &str) -> Unserved {
        let route = Route { kind: "command".to_owned(), name: name.to_owned() };
        Unserved { route, tasks: 3 }
    }

    #[test]
    fn each_missing_route_is_told_once_and_once_more_when_it_is_served() {
        let mut seen = Seen::default();
        let (a, b) = (unserved("a"), unserved("b"));
        let nothing = News::default;
        assert_eq!(seen.next(vec![a.clone()]), nothing(), "it may be a replica being replaced");
        let missing = vec![a.clone()];
        assert_eq!(seen.next(vec![a.clone()]), News { missing, ..nothing() });
        assert_eq!(seen.next(vec![a.clone(), b.clone()]), nothing());
        let missing = vec![b.clone()];
        assert_eq!(seen.next(vec![a.clone(), b.clone()]), News { missing, ..nothing() });
        assert_eq!(seen.next(vec![a.clone(), b.clone()]), nothing());
        let served = vec![a.route.clone()];
        assert_eq!(seen.next(vec![b]), News { served, ..nothing() });
        let served = vec![unserved("b").route];
        assert_eq!(seen.next(vec![a.clone()]), News { served, ..nothing() });
        assert_eq!(seen.next(vec![]), nothing(), "of what was not told there is no end to tell");
    }
}
