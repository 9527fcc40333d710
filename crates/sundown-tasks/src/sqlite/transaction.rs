//! What requests that share a commit have in common: the time, the counts, what is to be done after.

use std::fs::File;
use std::path::PathBuf;

use rusqlite::Result;

use super::clock;
use super::owner::Owner;
use super::row::{self, code};
use super::statements::Statements;
use crate::store::age::Since;
use crate::store::bells::News;
use crate::{State, UnixMillis};

/// An open transaction.
pub(super) struct Transaction<'t, 'c> {
    pub(super) sql: &'t Statements<'c>,
    pub(super) owner: &'t Owner,
    pub(super) events_kept: u32,
    /// What a person would say the time is.
    pub(super) now: UnixMillis,
    /// By which time it is old what is to be forgotten.
    pub(super) passed: UnixMillis,
    /// What leases are measured by.
    pub(super) since_boot: i64,
    moved: [i64; State::ALL.len()],
    pending: Option<i64>,
    news: News,
    graves: Vec<Grave>,
}

/// The file of an owner that is gone. Its lock, if it has one, is held until the commit.
pub(super) struct Grave {
    pub(super) file: PathBuf,
    pub(super) _lock: Option<File>,
}

const COUNT: &str = "INSERT INTO counter (state, owner, n) VALUES (?1, ?2, ?3) \
     ON CONFLICT (state, owner) DO UPDATE SET n = n + excluded.n";
pub(super) const PENDING: &str = "SELECT coalesce(sum(n), 0) FROM counter WHERE state = 0";

impl<'t, 'c> Transaction<'t, 'c> {
    pub(super) fn new(
        sql: &'t Statements<'c>,
        owner: &'t Owner,
        events_kept: u32,
        since: Since,
    ) -> Self {
        let (now, since_boot) = (clock::wall(), clock::since_boot());
        Transaction {
            sql,
            owner,
            events_kept,
            now,
            since_boot,
            passed: since.now(now, since_boot),
            moved: [0; State::ALL.len()],
            pending: None,
            news: News::Nothing,
            graves: Vec::new(),
        }
    }

    /// Counts a task that is new, or gone, or stands elsewhere now.
    pub(super) fn count(&mut self, from: Option<State>, to: Option<State>) {
        for (state, change) in [(from, -1), (to, 1)] {
            if let Some(state) = state {
                self.moved[state as usize] += change;
            }
        }
    }

    /// How many wait, those of this transaction included.
    pub(super) fn pending(&mut self) -> Result<i64> {
        let before = match self.pending {
            Some(before) => before,
            None => self.sql.row(PENDING, [], |row| row.get(0))?.unwrap_or(0),
        };
        self.pending = Some(before);
        Ok(before + self.moved[State::Pending as usize])
    }

    /// Somebody may be waiting for this.
    pub(super) fn is_news(&mut self, news: News) {
        self.news = news.max(self.news);
    }

    /// Once this is on disk, nobody needs that file any more.
    pub(super) fn bury(&mut self, grave: Grave) {
        self.graves.push(grave);
    }

    /// Writes what was counted.
    pub(super) fn write_counts(&self) -> Result<()> {
        for state in State::ALL {
            let moved = self.moved[state as usize];
            if moved != 0 {
                self.sql.execute(COUNT, [code(state), self.owner.number, moved])?;
            }
        }
        Ok(())
    }

    /// Does what had to wait for the commit. Answers for whom there is news.
    pub(super) fn committed(self) -> News {
        for grave in self.graves {
            // Whatever stays is removed by the next process that opens the store.
            let _ = std::fs::remove_file(&grave.file);
        }
        self.news
    }

    /// Where a task comes to by a change that is made without reading it before.
    pub(super) fn count_by(&mut self, from: State, event: crate::Event) -> State {
        let to = row::after(from, event);
        self.count(Some(from), Some(to));
        to
    }
}
