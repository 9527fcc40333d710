//! Claims tasks and begins their attempts, until the shutdown; what was claimed and not begun then
//! goes back at once.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::attempt::Leash;
use crate::health::Deed;
use crate::run::{Word, attempt};
use crate::service::Service;
use crate::store::{Ending, Wanted};
use crate::{Claim, endings};

/// The most that may be claimed ahead.
const AHEAD: usize = 1024;
/// What is claimed ahead must be begun within about so long: a task that waits here could be
/// running elsewhere.
const HORIZON: Duration = Duration::from_millis(20);
/// How many are claimed at once at the most.
const BATCH: usize = 512;
/// How many ends may wait to be written without anything being claimed less: a few requests full, so
/// that whoever writes them never waits.
const UNWRITTEN: usize = 4 * endings::BATCH;
/// The pause before the store is asked again after it could not answer.
const PAUSE: Duration = Duration::from_millis(200);

/// Claimed, and not begun.
type Waiting = VecDeque<(Claim, Leash)>;

pub(crate) async fn dispatch(service: Arc<Service>) {
    let _needed = service.keeper.health().needs();
    let mut waiting = Waiting::new();
    let mut pace = Pace::new();
    let shutdown = service.shutdown.clone();
    while !shutdown.is_shutting_down() {
        // Asked for before it is looked, so that nothing that happens meanwhile is missed.
        let (freed, news) = (service.attempts.changed(), service.store.changed());
        pace.count(begin(&service, &mut waiting));
        let claimed = claim(&service, &mut waiting, pace.ahead()).await;
        let pause = match claimed {
            Claimed::More => continue,
            Claimed::All | Claimed::Enough => service.settings.poll,
            Claimed::Trouble => PAUSE,
        };
        tokio::select! {
            biased;
            _ = shutdown.wait() => break,
            () = freed => {}
            () = news, if claimed == Claimed::All => {}
            () = sleep(pause.mul_f64(0.75 + fastrand::f64() / 2.0)) => {}
        }
    }
    for (claim, _) in waiting {
        service.attempts.end(claim.fence, Ending::Returned, |_| {});
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Claimed {
    /// There may be more to begin or to claim right now.
    More,
    /// All there was.
    All,
    /// All there is room for.
    Enough,
    /// The store did not answer.
    Trouble,
}

/// Claims what there is room for, and a little ahead.
async fn claim(service: &Arc<Service>, waiting: &mut Waiting, ahead: usize) -> Claimed {
    let free = service.settings.concurrency.saturating_sub(service.attempts.running());
    let room = room(free, ahead, waiting.len(), service.attempts.unwritten());
    // Many small claims cost more than a few large ones.
    if room == 0 || (room < ahead / 2 && !waiting.is_empty()) {
        service.keeper.health().rests(Deed::Claim);
        return Claimed::Enough;
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
        service.keeper.health().rests(Deed::Claim);
        return Claimed::Enough;
    }
    let held_until = Instant::now() + service.settings.lease;
    let answer = service.store.claim(wanted, room, service.settings.lease).await;
    service.keeper.health().heard(Deed::Claim, &answer);
    let Ok(claims) = answer else { return Claimed::Trouble };
    let found = claims.len();
    for claim in claims {
        let leash = service.attempts.add(claim.fence, claim.kind.clone(), held_until);
        waiting.push_back((claim, leash));
    }
    if found > 0 {
        service.attempts.is_changed();
    }
    if found > 0 { Claimed::More } else { Claimed::All }
}

/// How many may be claimed. Whoever cannot get rid of what is done takes nothing new.
fn room(free: usize, ahead: usize, waiting: usize, unwritten: usize) -> usize {
    let taken = waiting + unwritten.saturating_sub(UNWRITTEN);
    free.saturating_add(ahead).saturating_sub(taken).min(BATCH)
}

/// Begins as many as there are places for, and answers how many that were.
fn begin(service: &Arc<Service>, waiting: &mut Waiting) -> usize {
    let mut begun = 0;
    let mut later = Waiting::new();
    while service.attempts.running() < service.settings.concurrency {
        let Some((claim, leash)) = waiting.pop_front() else { break };
        let Some(kind) = service.kinds.get(&claim.kind).cloned() else { continue };
        let limit = kind.concurrency.unwrap_or(usize::MAX);
        if service.attempts.running_of(&kind.name) >= limit {
            later.push_back((claim, leash));
            continue;
        }
        if !service.attempts.runs(claim.fence) {
            continue;
        }
        let word = Word::new(service.clone(), claim.fence);
        #[expect(clippy::disallowed_methods, reason = "its owner is the list of attempts")]
        drop(tokio::spawn(attempt(word, kind, claim, leash)));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_written_takes_room_beyond_a_few_batches() {
        assert_eq!(room(8, 0, 0, 0), 8);
        assert_eq!(room(8, 100, 20, UNWRITTEN), 88, "the writer always has enough to do");
        assert_eq!(room(8, 100, 0, UNWRITTEN + 100), 8);
        assert_eq!(room(8, AHEAD, 0, 2 * UNWRITTEN), 0);
        assert_eq!(room(usize::MAX, AHEAD, 0, 0), BATCH);
    }
}
