//! A queue with a bound from callers that await to a thread that blocks.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use tokio::sync::Semaphore;

/// So many requests may wait; whoever comes then waits for room.
const ROOM: usize = 4096;

/// Where requests are put in.
pub(super) struct Inbox<M> {
    sender: SyncSender<M>,
    room: Arc<Semaphore>,
    is_nudged: Arc<AtomicBool>,
}

impl<M> fmt::Debug for Inbox<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").field("room", &self.room.available_permits()).finish()
    }
}

/// Where they come out.
pub(super) struct Outbox<M> {
    receiver: Receiver<M>,
    room: Arc<Semaphore>,
    is_nudged: Arc<AtomicBool>,
}

/// What a wait for requests ended with.
pub(super) enum Next<M> {
    Request(M),
    Nothing,
    /// Nobody is left to ask.
    Over,
}

pub(super) fn inbox<M>() -> (Inbox<M>, Outbox<M>) {
    // One place more: for a nudge.
    let (sender, receiver) = sync_channel(ROOM + 1);
    let room = Arc::new(Semaphore::new(ROOM));
    let is_nudged = Arc::new(AtomicBool::new(false));
    let inbox = Inbox { sender, room: room.clone(), is_nudged: is_nudged.clone() };
    (inbox, Outbox { receiver, room, is_nudged })
}

impl<M> Inbox<M> {
    /// Puts it in, once there is room. Gives it back if nobody takes it out any more.
    pub(super) async fn put(&self, message: M) -> Result<(), M> {
        match self.room.acquire().await {
            // The room is given back when the message is taken out.
            Ok(permit) => permit.forget(),
            Err(_) => return Err(message),
        }
        self.sender.try_send(message).map_err(|error| match error {
            TrySendError::Full(message) | TrySendError::Disconnected(message) => message,
        })
    }

    /// Wakes the thread, unless that was done already. It takes the place of no request.
    pub(super) fn nudge(&self, message: M) {
        if !self.is_nudged.swap(true, Ordering::AcqRel) {
            // Without a thread there is nobody to wake.
            let _ = self.sender.try_send(message);
        }
    }
}

impl<M> Outbox<M> {
    /// Waits for one; for ever without a patience.
    pub(super) fn wait(&self, patience: Option<Duration>) -> Next<M> {
        let received = match patience {
            Some(patience) => self.receiver.recv_timeout(patience),
            None => self.receiver.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match received {
            Ok(message) => Next::Request(message),
            Err(RecvTimeoutError::Timeout) => Next::Nothing,
            Err(RecvTimeoutError::Disconnected) => Next::Over,
        }
    }

    /// One that is there already.
    pub(super) fn take(&self) -> Option<M> {
        self.receiver.try_recv().ok()
    }

    /// The nudge was taken out.
    pub(super) fn is_awake(&self) {
        self.is_nudged.swap(false, Ordering::AcqRel);
    }

    /// So many that took room were taken out.
    pub(super) fn give_back(&self, count: usize) {
        self.room.add_permits(count);
    }
}

impl<M> Drop for Outbox<M> {
    fn drop(&mut self) {
        self.room.close();
    }
}
