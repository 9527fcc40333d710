//! What each process claims, and which tasks no living process does.

use std::time::Duration;

use tokio_postgres::types::Type;

use super::fault::Fault;
use super::question::Question;
use super::row::{count, millis, plain};
use super::session::{Desk, Parameter};
use crate::{Route, Unserved};

/// What this process claims, and for how long that holds.
#[derive(Debug)]
pub(super) struct Advertise {
    pub(super) served: Vec<Route>,
    pub(super) life: Duration,
}

impl Question for Advertise {
    type Answer = ();

    async fn run(asked: &[&Self], desk: &Desk<'_>) -> Result<Vec<()>, Fault> {
        let owner = desk.owner.0.as_slice();
        for one in asked {
            let kinds: Vec<String> = one.served.iter().map(|route| plain(&route.kind)).collect();
            let routes: Vec<String> = one.served.iter().map(|route| plain(&route.name)).collect();
            let parameters: [Parameter<'_>; 4] = [
                (&owner, Type::BYTEA),
                (&kinds, Type::TEXT_ARRAY),
                (&routes, Type::TEXT_ARRAY),
                (&millis(one.life), Type::INT8),
            ];
            desk.call("advertise_2", &parameters).await?;
        }
        Ok(vec![(); asked.len()])
    }

    fn may_be_redone(&self) -> bool {
        true
    }
}

/// Which tasks wait for a process that is not there?
#[derive(Debug)]
pub(super) struct Missing;

impl Question for Missing {
    type Answer = Vec<Unserved>;

    async fn run(asked: &[&Self], desk: &Desk<'_>) -> Result<Vec<Vec<Unserved>>, Fault> {
        let routes = i32::try_from(Unserved::ROUTES).unwrap_or(i32::MAX);
        let counted = i64::try_from(Unserved::COUNTED).unwrap_or(i64::MAX);
        let parameters: [Parameter<'_>; 2] = [(&routes, Type::INT4), (&counted, Type::INT8)];
        let mut missing = Vec::new();
        for row in desk.call("unserved_2", &parameters).await? {
            let route = Route { kind: row.try_get(0)?, name: row.try_get(1)? };
            missing.push(Unserved { route, tasks: count(row.try_get(2)?)? });
        }
        Ok(vec![missing; asked.len()])
    }

    fn joins(&self, _other: &Self) -> bool {
        true
    }
}
