//! A flag that carries a value, trips once, and wakes whoever sleeps on it.
//!
//! The value *is* the flag: reading it is one atomic load, so the first cause and the fact that
//! there is one can never be seen apart. A sleeper registers under the lock and looks again while
//! it holds it; the tripper sets the value first and takes all wakers under the lock afterwards.
//! Whichever of the two gets the lock first, the sleeper learns of it.

use std::task::{Context, Poll, Waker};

use crate::sync::{Mutex, OnceLock, locked};

#[derive(Debug)]
pub(crate) struct Trip<T> {
    value: OnceLock<T>,
    sleepers: Mutex<Sleepers>,
}

/// Wakers in slots that are used again; the free ones form a list.
#[derive(Debug, Default)]
struct Sleepers {
    slots: Vec<Slot>,
    free: Option<usize>,
}

#[derive(Debug)]
enum Slot {
    Free { next: Option<usize> },
    Asleep(Waker),
}

/// A sleeper's place, kept by its future.
#[derive(Debug)]
pub(crate) struct Bed {
    slot: usize,
    waker: Waker,
}

impl<T> Trip<T> {
    pub(crate) fn new() -> Self {
        Trip { value: OnceLock::new(), sleepers: Mutex::new(Sleepers::default()) }
    }

    #[inline]
    pub(crate) fn get(&self) -> Option<&T> {
        self.value.get()
    }

    /// Sets the value if it is the first, and wakes everybody.
    pub(crate) fn set(&self, value: T) -> bool {
        if self.value.set(value).is_err() {
            return false;
        }
        let slots = std::mem::take(&mut *locked(&self.sleepers)).slots;
        // Outside the lock: a waker may run code that comes back here.
        for slot in slots {
            if let Slot::Asleep(waker) = slot {
                waker.wake();
            }
        }
        true
    }

    /// Ready once tripped; until then the task sleeps in `bed`. Two loads for one who sleeps
    /// already.
    #[inline]
    pub(crate) fn poll(&self, bed: &mut Option<Bed>, cx: &mut Context<'_>) -> Poll<&T> {
        if let Some(value) = self.value.get() {
            return Poll::Ready(value);
        }
        if bed.as_ref().is_some_and(|bed| bed.waker.will_wake(cx.waker())) {
            return Poll::Pending;
        }
        self.go_to_bed(bed, cx)
    }

    #[cold]
    fn go_to_bed(&self, bed: &mut Option<Bed>, cx: &mut Context<'_>) -> Poll<&T> {
        let waker = cx.waker().clone();
        let mut sleepers = locked(&self.sleepers);
        if let Some(value) = self.value.get() {
            return Poll::Ready(value);
        }
        let slot = sleepers.put(bed.as_ref().map(|bed| bed.slot), waker.clone());
        drop(sleepers);
        *bed = Some(Bed { slot, waker });
        Poll::Pending
    }

    /// The sleeper went away.
    pub(crate) fn forget(&self, bed: Option<Bed>) {
        let Some(bed) = bed else { return };
        if self.value.get().is_some() {
            return; // all beds were cleared at once
        }
        let waker = locked(&self.sleepers).take(bed.slot);
        drop(waker);
    }
}

impl Sleepers {
    fn put(&mut self, slot: Option<usize>, waker: Waker) -> usize {
        if let Some(slot) = slot {
            self.slots[slot] = Slot::Asleep(waker);
            return slot;
        }
        let Some(slot) = self.free else {
            self.slots.push(Slot::Asleep(waker));
            return self.slots.len() - 1;
        };
        if let Slot::Free { next } = std::mem::replace(&mut self.slots[slot], Slot::Asleep(waker)) {
            self.free = next;
        }
        slot
    }

    /// Empties a slot, unless all slots are gone because the trip came in between.
    fn take(&mut self, slot: usize) -> Option<Slot> {
        let place = self.slots.get_mut(slot)?;
        let taken = std::mem::replace(place, Slot::Free { next: self.free });
        self.free = Some(slot);
        Some(taken)
    }
}

#[cfg(all(test, sundown_loom))]
mod loom {
    //! Every interleaving of tripping, sleeping, moving to another task, and leaving.

    use std::future::poll_fn;
    use std::task::{Context, Poll, Wake, Waker};

    use loom::future::block_on;
    use loom::sync::Arc;
    use loom::sync::atomic::{AtomicUsize, Ordering};
    use loom::thread;

    use super::Trip;

    async fn sleep_on(trip: &Trip<u32>) -> u32 {
        let mut bed = None;
        let value = poll_fn(|cx| trip.poll(&mut bed, cx).map(|value| *value)).await;
        trip.forget(bed);
        value
    }

    #[test]
    fn no_wake_up_is_lost() {
        loom::model(|| {
            let trip = Arc::new(Trip::new());
            let tripper = {
                let trip = trip.clone();
                thread::spawn(move || assert!(trip.set(7)))
            };
            assert_eq!(block_on(sleep_on(&trip)), 7);
            tripper.join().unwrap();
        });
    }

    /// Three threads have too many interleavings to try them all: those with up to three
    /// preemptions are.
    #[test]
    fn two_sleepers_both_wake() {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(3);
        model.check(|| {
            let trip = Arc::new(Trip::new());
            let sleeper = {
                let trip = trip.clone();
                thread::spawn(move || block_on(sleep_on(&trip)))
            };
            let tripper = {
                let trip = trip.clone();
                thread::spawn(move || trip.set(7))
            };
            assert_eq!(block_on(sleep_on(&trip)), 7);
            assert_eq!(sleeper.join().unwrap(), 7);
            assert!(tripper.join().unwrap());
        });
    }

    #[test]
    fn the_first_value_wins_and_everybody_sees_it() {
        loom::model(|| {
            let trip = Arc::new(Trip::new());
            let racer = {
                let trip = trip.clone();
                thread::spawn(move || {
                    let won = trip.set(1);
                    won.then(|| assert_eq!(trip.get(), Some(&1)));
                    won
                })
            };
            let won = trip.set(2);
            let other_won = racer.join().unwrap();
            assert!(won ^ other_won, "exactly one wins");
            assert_eq!(trip.get(), Some(&if won { 2 } else { 1 }));
        });
    }

    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// A future that moved to another task must be woken through the new one.
    #[test]
    fn the_latest_waker_is_the_one_woken() {
        loom::model(|| {
            let trip = Arc::new(Trip::new());
            let tripper = {
                let trip = trip.clone();
                thread::spawn(move || trip.set(7))
            };
            let [old, new] = [0, 0].map(|n| std::sync::Arc::new(Count(AtomicUsize::new(n))));
            let mut bed = None;
            let mut is_pending = |count: &std::sync::Arc<Count>| {
                let waker = Waker::from(count.clone());
                trip.poll(&mut bed, &mut Context::from_waker(&waker)) == Poll::Pending
            };
            let slept = is_pending(&old) && is_pending(&new);
            tripper.join().unwrap();
            if slept {
                assert_eq!(new.0.load(Ordering::SeqCst), 1, "asleep with a waker nobody woke");
            }
            trip.forget(bed);
        });
    }

    /// Leaving while the trip clears all beds neither panics nor takes another's bed.
    #[test]
    fn leaving_early_disturbs_nobody() {
        loom::model(|| {
            let trip = Arc::new(Trip::new());
            let tripper = {
                let trip = trip.clone();
                thread::spawn(move || trip.set(7))
            };
            let count = std::sync::Arc::new(Count(AtomicUsize::new(0)));
            let waker = Waker::from(count);
            let mut bed = None;
            let _ = trip.poll(&mut bed, &mut Context::from_waker(&waker));
            trip.forget(bed);
            assert_eq!(block_on(sleep_on(&trip)), 7);
            tripper.join().unwrap();
        });
    }
}
