//! The thread that reads. It has a connection of its own that cannot write, so it neither waits
//! for the writer nor holds it up.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, Result};
use tokio::sync::oneshot;

use super::fault::Damage;
use super::inbox::{Next, Outbox};
use super::statements::Statements;
use crate::StoreError;

/// What the thread is sent.
pub(super) enum Message {
    Look(Box<dyn Look>),
    /// Nothing more is to be read.
    Close(oneshot::Sender<()>),
}

/// A question.
pub(super) trait Look: Send {
    fn run(self: Box<Self>, reader: &Desk<'_>);
}

/// A question made of a closure.
pub(super) struct Asked<F, T> {
    pub(super) look: F,
    pub(super) reply: oneshot::Sender<std::result::Result<T, StoreError>>,
}

impl<F, T> Look for Asked<F, T>
where
    F: FnOnce(&Statements<'_>) -> Result<T> + Send,
    T: Send,
{
    fn run(self: Box<Self>, desk: &Desk<'_>) {
        let outcome = desk.look(self.look);
        // Whoever asked may have left.
        let _ = self.reply.send(outcome);
    }
}

/// The thread.
pub(super) struct Reader {
    pub(super) connection: Connection,
    pub(super) path: PathBuf,
    pub(super) patience: Duration,
    pub(super) damage: Arc<Damage>,
    pub(super) outbox: Outbox<Message>,
}

/// What the thread works with.
pub(super) struct Desk<'c> {
    sql: Statements<'c>,
    path: PathBuf,
    patience: Duration,
    damage: Arc<Damage>,
}

impl Reader {
    /// Works until it is told to close, or nobody is left to ask.
    pub(super) fn run(self) {
        let Reader { connection, path, patience, damage, outbox } = self;
        let desk = Desk { sql: Statements::new(&connection), path, patience, damage };
        let mut closing = None;
        while let Next::Request(message) = outbox.wait(None) {
            outbox.give_back(1);
            match message {
                Message::Look(look) => look.run(&desk),
                Message::Close(done) => {
                    closing = Some(done);
                    break;
                }
            }
        }
        drop(outbox);
        drop(desk);
        drop(connection);
        if let Some(closing) = closing {
            let _ = closing.send(());
        }
    }
}

impl Desk<'_> {
    /// All that one question reads is of the same moment.
    fn look<T>(
        &self,
        look: impl FnOnce(&Statements<'_>) -> Result<T>,
    ) -> std::result::Result<T, StoreError> {
        let look = || {
            self.sql.roll_back_if_open()?;
            self.sql.execute("BEGIN", [])?;
            let found = look(&self.sql);
            self.sql.execute("COMMIT", []).and(found)
        };
        look().map_err(|error| self.damage.explain(&error, &self.path, self.patience))
    }
}
