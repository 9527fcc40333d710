//! Claims tasks and begins their attempts, until the shutdown; what was claimed and not begun then
//! goes back at once.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::run::attempt;
use crate::service::Service;
use crate::store::{Ending, Wanted};
use crate::{Claim, metrics};

/// The most that may be claimed ahead.
const AHEAD: usize = 1024;
/// What is claimed ahead must be begun within about so long: a task that waits here could be
/// running elsewhere.
const HORIZON: Duration = Duration::from_millis(20);
/// How many are claimed at once at the most.
const BATCH: usize = 512;
/// The pause before the store is asked again after it could not answer.
const PAUSE: Duration = Duration::from_millis(200);

/// Claimed, and not begun.
type Waiting = VecDeque<(Claim, CancellationToken)>;

pub(crate) async fn dispatch(service: Arc<Service>) {
    let mut waiting = Waiting::new();
    let mut pace = Pace::new();
    let shutdown = service.shutdown.clone();
    while !shutdown.is_shutting_down() {
        // Asked for before it is looked, so that nothing that happens meanwhile is missed.
        let (freed, news) = (service.attempts.changed(), service.store.changed());
        pace.count(begin(&service, &mut waiting));
        let pause = match claim(&service, &mut waiting, pace.ahead()).await {
            Claimed::More => continue,
            Claimed::All => service.settings.poll,
            Claimed::Trouble => PAUSE,
        };
        let has_place = service.attempts.running() < service.settings.concurrency;
        tokio::select! {
            biased;
            _ = shutdown.wait() => break,
            () = freed => {}
            () = news, if has_place => {}
            () = sleep(pause.mul_f64(0.75 + fastrand::f64() / 2.0)) => {}
        }
    }
    for (claim, _) in waiting {
        if service.attempts.has_ended(claim.fence) {
            service.keeper.finish(claim.fence, Ending::Returned).await;
        }
    }
}

enum Claimed {
    /// There may be more to begin or to claim right now.
    More,
    /// All there was, or all there is room for.
    All,
    /// The store did not answer.
    Trouble,
}

/// Claims what there is room for, and a little ahead.
async fn claim(service: &Arc<Service>, waiting: &mut Waiting, ahead: usize) -> Claimed {
    let free = service.settings.concurrency.saturating_sub(service.attempts.running());
    let room = (free + ahead).saturating_sub(waiting.len()).min(BATCH);
    // Many small claims cost more than a few large ones.
    if room == 0 || (room < ahead / 2 && !waiting.is_empty()) {
        return Claimed::All;
    }
    let wanted: Vec<Wanted> = service
        .kinds
        .iter()
        .filter_map(|kind| {
            let limit = kind.concurrency.unwrap_or(usize::MAX);
            let begun = waiting.iter().filter(|(claim, _)| claim.kind == kind.name).count();
            let taken = service.attempts.running_of(&kind.name) + begun;
            let count = limit.saturating_sub(taken).min(room);
            (count > 0).then(|| Wanted { kind: kind.name.clone(), count })
        })
        .collect();
    if wanted.is_empty() {
        return Claimed::All;
    }
    let held_until = Instant::now() + service.settings.lease;
    let answer = service.store.claim(wanted, room, service.settings.lease).await;
    service.keeper.health().heard(&answer);
    let Ok(claims) = answer else { return Claimed::Trouble };
    let found = claims.len();
    for claim in claims {
        let cancel = service.attempts.add(claim.fence, claim.kind.clone(), held_until);
        waiting.push_back((claim, cancel));
    }
    metrics::active(service.attempts.len());
    if found > 0 { Claimed::More } else { Claimed::All }
}

/// Begins as many as there are places for, and answers how many that were.
fn begin(service: &Arc<Service>, waiting: &mut Waiting) -> usize {
    let mut begun = 0;
    let mut later = Waiting::new();
    while service.attempts.running() < service.settings.concurrency {
        let Some((claim, cancel)) = waiting.pop_front() else { break };
        let Some(kind) = service.kinds.get(&claim.kind).cloned() else { continue };
        let limit = kind.concurrency.unwrap_or(usize::MAX);
        if service.attempts.running_of(&kind.name) >= limit {
            later.push_back((claim, cancel));
            continue;
        }
        let fence = claim.fence;
        #[expect(clippy::disallowed_methods, reason = "its owner is the list of attempts")]
        let task = tokio::spawn(attempt(service.clone(), kind, claim, cancel));
        service.attempts.runs(fence, task.abort_handle());
        begun += 1;
    }
    // Those that had no place keep theirs in the line.
    later.append(waiting);
    *waiting = later;
    begun
}

/// How fast attempts are begun, and so how many may be claimed ahead: none when each takes long.
struct Pace {
    since: Instant,
    begun: usize,
    per_second: f64,
}

impl Pace {
    fn new() -> Self {
        Pace { since: Instant::now(), begun: 0, per_second: 0.0 }
    }

    fn count(&mut self, begun: usize) {
        self.begun += begun;
        let elapsed = self.since.elapsed();
        if elapsed >= HORIZON {
            let now = self.begun as f64 / elapsed.as_secs_f64();
            // Quickly up, and at once down: what was claimed ahead in vain has to wait.
            self.per_second =
                if now < self.per_second { now } else { (self.per_second + now) / 2.0 };
            self.begun = 0;
            self.since = Instant::now();
        }
    }

    fn ahead(&self) -> usize {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to AHEAD")]
        let ahead = (self.per_second * HORIZON.as_secs_f64()).min(AHEAD as f64) as usize;
        ahead
    }
}
