//! The books: which files have a living handle, how much counts against the quota, and, decided
//! without touching any of them, which are abandoned.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::time::Duration;

use tokio::time::Instant;

use crate::QuotaExceeded;

/// A temporary file or directory with a living handle.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct InUse {
    /// The name the application gave it.
    pub name: String,
    /// How long it has been there.
    pub age: Duration,
    /// Its bytes.
    pub bytes: u64,
}

/// What a look at the directory found: an entry, its bytes, and a stamp that changes with it.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) entry: OsString,
    pub(crate) bytes: u64,
    pub(crate) stamp: String,
}

#[derive(Debug)]
pub(crate) struct Ledger {
    entries: HashMap<OsString, Entry>,
    used: u64,
    limit: Option<u64>,
    is_closed: bool,
}

#[derive(Debug)]
struct Entry {
    name: String,
    since: Instant,
    /// What went through the handle; on its way to the disk perhaps.
    counted: u64,
    /// What the disk had at the last look.
    measured: u64,
    standing: Standing,
}

#[derive(Debug)]
enum Standing {
    /// A handle is alive. One held for life is not missed at the end.
    Held { for_life: bool },
    /// No handle; unchanged since then.
    Left { since: Instant, stamp: Option<String> },
}

impl Entry {
    fn bytes(&self) -> u64 {
        self.counted.max(self.measured)
    }
}

impl Ledger {
    pub(crate) fn new(limit: Option<u64>) -> Self {
        Ledger { entries: HashMap::new(), used: 0, limit, is_closed: false }
    }

    /// Opens an account for a new handle; `false` when the books are closed.
    pub(crate) fn hold(&mut self, entry: OsString, name: String, now: Instant) -> bool {
        if !self.is_closed {
            let standing = Standing::Held { for_life: false };
            self.put(entry, Entry { name, since: now, counted: 0, measured: 0, standing });
        }
        !self.is_closed
    }

    /// Its handle is not going to be dropped before the end, and nobody shall be told.
    pub(crate) fn hold_for_life(&mut self, entry: &OsStr) {
        if let Some(entry) = self.entries.get_mut(entry) {
            entry.standing = Standing::Held { for_life: true };
        }
    }

    /// Its handle is given up, and the file stays until it is too old.
    pub(crate) fn leave(&mut self, entry: &OsStr, now: Instant) {
        if let Some(entry) = self.entries.get_mut(entry) {
            entry.standing = Standing::Left { since: now, stamp: None };
        }
    }

    /// It is gone: removed, or moved out.
    pub(crate) fn forget(&mut self, entry: &OsStr) {
        if let Some(entry) = self.entries.remove(entry) {
            self.used -= entry.bytes();
        }
    }

    /// Lets an account grow by so many bytes, if the quota has room for them.
    pub(crate) fn grow(&mut self, entry: &OsStr, wanted: u64) -> Result<(), QuotaExceeded> {
        let Some(account) = self.entries.get(entry) else { return Ok(()) };
        let bytes = account.measured.max(account.counted.saturating_add(wanted));
        let after = (self.used - account.bytes()).saturating_add(bytes);
        match self.limit {
            Some(limit) if after > limit && after > self.used => {
                let name = account.name.clone();
                Err(QuotaExceeded { name, wanted, used: self.used, limit })
            }
            _ => {
                self.change(entry, |account| account.counted += wanted);
                Ok(())
            }
        }
    }

    /// Takes back what was granted and not used, or has been given up.
    pub(crate) fn shrink(&mut self, entry: &OsStr, by: u64) {
        self.change(entry, |account| account.counted = account.counted.saturating_sub(by));
    }

    /// Takes note of what there is, and answers which entries are abandoned: without a handle,
    /// and unchanged for longer than the age. What has a living handle never is.
    pub(crate) fn take_stock(
        &mut self,
        found: Vec<Found>,
        now: Instant,
        age: Duration,
    ) -> Vec<OsString> {
        let mut abandoned = Vec::new();
        let mut gone: Vec<OsString> = self.left().cloned().collect();
        for Found { entry, bytes, stamp } in found {
            gone.retain(|name| *name != entry);
            if !self.entries.contains_key(&entry) {
                let name = entry.to_string_lossy().into_owned();
                let standing = Standing::Left { since: now, stamp: None };
                let account = Entry { name, since: now, counted: 0, measured: 0, standing };
                self.put(entry.clone(), account);
            }
            self.change(&entry, |account| {
                account.measured = bytes;
                if let Standing::Left { since, stamp: last } = &mut account.standing {
                    if last.as_ref().is_some_and(|last| *last != stamp) {
                        *since = now;
                    }
                    *last = Some(stamp);
                    account.counted = 0;
                    if now.duration_since(*since) >= age {
                        abandoned.push(entry.clone());
                    }
                }
            });
        }
        for entry in gone {
            self.forget(&entry);
        }
        abandoned
    }

    /// Those with a living handle, the oldest first.
    pub(crate) fn in_use(&self, now: Instant) -> Vec<InUse> {
        let held = |entry: &&Entry| matches!(entry.standing, Standing::Held { .. });
        list(self.entries.values().filter(held), now)
    }

    /// Those of them that somebody should have dropped before the end.
    pub(crate) fn missed(&self, now: Instant) -> Vec<InUse> {
        let held = |entry: &&Entry| matches!(entry.standing, Standing::Held { for_life: false });
        list(self.entries.values().filter(held), now)
    }

    pub(crate) fn used(&self) -> u64 {
        self.used
    }

    pub(crate) fn limit(&self) -> Option<u64> {
        self.limit
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// From now on nobody gets a file.
    pub(crate) fn close(&mut self) {
        self.is_closed = true;
    }

    fn left(&self) -> impl Iterator<Item = &OsString> {
        let left = self.entries.iter().filter(|(_, e)| matches!(e.standing, Standing::Left { .. }));
        left.map(|(name, _)| name)
    }

    fn put(&mut self, entry: OsString, account: Entry) {
        self.used += account.bytes();
        if let Some(before) = self.entries.insert(entry, account) {
            self.used -= before.bytes();
        }
    }

    fn change(&mut self, entry: &OsStr, change: impl FnOnce(&mut Entry)) {
        if let Some(account) = self.entries.get_mut(entry) {
            let before = account.bytes();
            change(account);
            self.used = self.used - before + account.bytes();
        }
    }
}

fn list<'a>(entries: impl Iterator<Item = &'a Entry>, now: Instant) -> Vec<InUse> {
    let mut list: Vec<InUse> = entries
        .map(|entry| InUse {
            name: entry.name.clone(),
            age: now.duration_since(entry.since),
            bytes: entry.bytes(),
        })
        .collect();
    list.sort_by(|a, b| b.age.cmp(&a.age).then_with(|| a.name.cmp(&b.name)));
    list
}

#[cfg(test)]
mod tests;
