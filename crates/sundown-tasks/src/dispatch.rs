//! Claims tasks and begins their attempts, until the shutdown; what was claimed and not begun then
//! goes back at once.

use std::collections::VecDeque;
use std::future::Future;
use std::mem;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::attempt::Leash;
use crate::health::Deed;
use crate::kind::Kind;
use crate::run::{Word, attempt};
use crate::service::Service;
use crate::store::{Answer, Ending, Wanted};
use crate::{Claim, endings};

/// The most that may be claimed ahead.
const AHEAD: usize = 2048;
/// As many are claimed ahead as there were places for within so long: a task that waits here could
/// be running elsewhere.
const HORIZON: Duration = Duration::from_millis(20);
/// How many are claimed at once at the most.
const BATCH: usize = 1024;
/// How many ends may wait to be written without anything being claimed less: a few requests full, so
/// that whoever writes them never waits.
const UNWRITTEN: usize = 4 * endings::BATCH;
/// The pause before the store is asked again after it could not answer.
const PAUSE: Duration = Duration::from_millis(200);

/// Claimed, and not begun; since when.
type Waiting = VecDeque<(Claim, Leash, Instant)>;

/// What was claimed is begun as soon as there is a place, also while the store is asked for more.
pub(crate) async fn dispatch(service: Arc<Service>) {
    let service = &service;
    let _needed = service.keeper.health().needs();
    let (mut waiting, mut pace) = (Waiting::new(), Pace::new());
    let mut talk = Talk::Over;
    let shutdown = service.shutdown.clone();
    // Made before it is looked, so that nothing that happens meanwhile is missed.
    let mut freed = pin!(service.attempts.changed());
    let mut look = pin!(sleep(service.settings.ahead));
    while !shutdown.is_shutting_down() {
        begin(service, &mut waiting);
        pace.count(service.attempts.ran());
        if matches!(talk, Talk::Over) {
            talk = Talk::begin(service, &waiting, pace.ahead());
        }
        tokio::select! {
            // A question is sent when it is polled first.
            biased;
            claimed = talk.next(service) => take(service, &mut waiting, claimed),
            _ = shutdown.wait() => {}
            () = freed.as_mut() => {
                freed.set(service.attempts.changed());
                talk.place_is_free();
            }
            () = look.as_mut(), if !waiting.is_empty() => {
                look.set(sleep(service.settings.ahead / 4));
                let stale = stale(&mut waiting, service.settings.ahead);
                if !stale.is_empty() {
                    pace.stop();
                    give_back(service, stale);
                }
            }
        }
    }
    give_back(service, waiting);
    // What the store has been asked for belongs to this process, too.
    if let Talk::Asking { .. } = talk {
        let mut late = Waiting::new();
        take(service, &mut late, talk.next(service).await);
        give_back(service, late);
    }
}

/// How it stands with the store.
enum Talk<'s> {
    /// It is asked for tasks.
    Asking {
        answer: Answer<'s, Vec<Claim>>,
        /// What is new since before it was asked.
        news: Wait<'s>,
        held_until: Instant,
        /// A place became free since it was asked.
        is_outdated: bool,
    },
    /// It is left alone until then, or until a place is free.
    Resting(Wait<'s>),
    /// It may be asked again.
    Over,
}

type Wait<'s> = Pin<Box<dyn Future<Output = ()> + Send + 's>>;

impl<'s> Talk<'s> {
    /// Asks for as many as there is room for, and a little ahead.
    fn begin(service: &'s Service, waiting: &Waiting, ahead: usize) -> Self {
        let (room, wanted) = wanted(service, waiting, ahead);
        if wanted.is_empty() {
            service.keeper.health().rests(Deed::Claim);
            return Talk::Resting(Box::pin(pause(service.settings.poll)));
        }
        let (lease, news) = (service.settings.lease, service.store.changed());
        let held_until = Instant::now() + lease;
        let answer = service.store.claim(wanted, room, lease);
        Talk::Asking { answer, news, held_until, is_outdated: false }
    }

    fn place_is_free(&mut self) {
        match self {
            Talk::Asking { is_outdated, .. } => *is_outdated = true,
            Talk::Resting(_) | Talk::Over => *self = Talk::Over,
        }
    }

    /// Waits until the store has answered, or may be asked again. Answers what was claimed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    async fn next(&mut self, service: &'s Service) -> Claimed {
        let answer = match self {
            Talk::Asking { answer, .. } => answer.await,
            Talk::Resting(rest) => {
                rest.await;
                Ok(Vec::new())
            }
            Talk::Over => Ok(Vec::new()),
        };
        let Talk::Asking { news, held_until, is_outdated, .. } = mem::replace(self, Talk::Over)
        else {
            return Claimed::nothing();
        };
        service.keeper.health().heard(Deed::Claim, &answer);
        match &answer {
            Ok(claims) if claims.is_empty() && !is_outdated => {
                *self = Talk::Resting(Box::pin(news_or_pause(news, service.settings.poll)));
            }
            // There may be more.
            Ok(_) => {}
            Err(_) => *self = Talk::Resting(Box::pin(pause(PAUSE))),
        }
        Claimed { claims: answer.unwrap_or_default(), held_until }
    }
}

/// What came of asking.
struct Claimed {
    claims: Vec<Claim>,
    /// Their lease ends no sooner.
    held_until: Instant,
}

impl Claimed {
    fn nothing() -> Self {
        Claimed { claims: Vec::new(), held_until: Instant::now() }
    }
}

async fn news_or_pause(news: Wait<'_>, length: Duration) {
    tokio::select! {
        biased;
        () = news => {}
        () = pause(length) => {}
    }
}

/// So long at most: replicas are not to come all at once.
async fn pause(length: Duration) {
    sleep(length.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
}

/// How many are to be claimed in all, and of each kind.
fn wanted(service: &Service, waiting: &Waiting, ahead: usize) -> (usize, Vec<Wanted>) {
    let free = service.settings.concurrency.saturating_sub(service.attempts.running());
    let room = room(free, ahead, waiting.len(), service.attempts.unwritten());
    // Many small claims cost more than a few large ones.
    if room == 0 || (room < ahead / 2 && !waiting.is_empty()) {
        return (0, Vec::new());
    }
    let of = |kind: &Kind| {
        let limit = kind.concurrency.unwrap_or(usize::MAX);
        let begun = waiting.iter().filter(|(claim, ..)| claim.kind == kind.name).count();
        let taken = service.attempts.running_of(&kind.name) + begun;
        let count = limit.saturating_sub(taken).min(room);
        (count > 0).then(|| Wanted { kind: kind.name.clone(), routes: kind.routes.clone(), count })
    };
    (room, service.kinds.iter().filter_map(of).collect())
}

/// What was claimed waits for a place.
fn take(service: &Service, waiting: &mut Waiting, claimed: Claimed) {
    if claimed.claims.is_empty() {
        return;
    }
    let since = Instant::now();
    for claim in claimed.claims {
        let leash = service.attempts.add(claim.fence, claim.kind.clone(), claimed.held_until);
        waiting.push_back((claim, leash, since));
    }
    service.attempts.is_changed();
}

/// Takes out those that have waited for so long.
fn stale(waiting: &mut Waiting, limit: Duration) -> Waiting {
    let (stale, left) = mem::take(waiting).into_iter().partition(|one| one.2.elapsed() >= limit);
    *waiting = left;
    stale
}

/// It never began, and may begin elsewhere.
fn give_back(service: &Service, waiting: Waiting) {
    for (claim, ..) in waiting {
        service.attempts.end(claim.fence, Ending::Returned, |_| {});
    }
}

/// How many may be claimed. Whoever cannot get rid of what is done takes nothing new.
fn room(free: usize, ahead: usize, waiting: usize, unwritten: usize) -> usize {
    let taken = waiting + unwritten.saturating_sub(UNWRITTEN);
    free.saturating_add(ahead).saturating_sub(taken).min(BATCH)
}

/// Begins as many as there are places for.
fn begin(service: &Arc<Service>, waiting: &mut Waiting) {
    let mut later = Waiting::new();
    while service.attempts.running() < service.settings.concurrency {
        let Some((claim, leash, since)) = waiting.pop_front() else { break };
        let Some(kind) = service.kinds.get(&claim.kind).cloned() else { continue };
        let limit = kind.concurrency.unwrap_or(usize::MAX);
        if service.attempts.running_of(&kind.name) >= limit {
            later.push_back((claim, leash, since));
            continue;
        }
        if !service.attempts.runs(claim.fence) {
            continue;
        }
        let word = Word::new(service.clone(), claim.fence);
        #[expect(clippy::disallowed_methods, reason = "its owner is the list of attempts")]
        drop(tokio::spawn(attempt(word, kind, claim, leash)));
    }
    // Those that had no place keep theirs in the line.
    later.append(waiting);
    *waiting = later;
}

/// How fast places become free, and so how many tasks may be claimed ahead: none when each takes long.
/// How fast tasks begin says nothing of that: many can begin at once and then keep their places.
struct Pace {
    since: Instant,
    /// How many had left their places then.
    ran: u64,
    per_second: f64,
}

impl Pace {
    fn new() -> Self {
        Pace { since: Instant::now(), ran: 0, per_second: 0.0 }
    }

    /// So many have left their places by now.
    fn count(&mut self, ran: u64) {
        let elapsed = self.since.elapsed();
        if elapsed >= HORIZON {
            let now = ran.saturating_sub(self.ran) as f64 / elapsed.as_secs_f64();
            // Quickly up, and at once down: what was claimed ahead in vain has to wait.
            self.per_second =
                if now < self.per_second { now } else { (self.per_second + now) / 2.0 };
            self.ran = ran;
            self.since = Instant::now();
        }
    }

    /// No place became free for what was claimed.
    fn stop(&mut self) {
        self.per_second = 0.0;
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
    fn a_burst_of_long_tasks_is_no_pace() {
        let mut pace = Pace::new();
        let horizon_ago = || Instant::now().checked_sub(HORIZON).unwrap();
        pace.since = horizon_ago();
        pace.count(0);
        assert_eq!(pace.ahead(), 0, "eight have begun, and none has ended");
        pace.since = horizon_ago();
        pace.count(80);
        assert!((20..=40).contains(&pace.ahead()), "{}", pace.ahead());
        pace.since = horizon_ago();
        pace.count(80);
        assert_eq!(pace.ahead(), 0);
    }

    #[test]
    fn what_is_not_written_takes_room_beyond_a_few_batches() {
        assert_eq!(room(8, 0, 0, 0), 8);
        assert_eq!(room(8, 100, 20, UNWRITTEN), 88, "the writer always has enough to do");
        assert_eq!(room(8, 100, 0, UNWRITTEN + 100), 8);
        assert_eq!(room(8, AHEAD, 0, UNWRITTEN + AHEAD + 8), 0);
        assert_eq!(room(usize::MAX, AHEAD, 0, 0), BATCH);
    }
}
