//! How much the directories of all commands may hold together. Programs ask nobody before they write, so
//! it is looked at while they run, and who has most is ended.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sundown::BoxError;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

/// How often a directory is looked at; less often if that takes long.
const PAUSE: Duration = Duration::from_millis(250);
/// How long looking is paused for each moment it takes.
const REST: u32 = 20;
/// How many files are looked at; so many are too many anyhow, and the rest counts nothing.
const FILES: usize = 100_000;
/// The unit of a file's blocks.
const BLOCK: u64 = 512;

/// The room there is.
pub(crate) struct Rooms {
    limit: u64,
    taken: Mutex<Taken>,
}

/// How many bytes each directory holds, the older ones first.
type Taken = BTreeMap<u64, u64>;

/// One directory's share of it, given back when it is dropped.
pub(super) struct Room {
    rooms: Arc<Rooms>,
    number: u64,
    place: PathBuf,
}

impl Rooms {
    pub(crate) fn new(limit: u64) -> Self {
        Rooms { limit, taken: Mutex::default() }
    }

    pub(super) fn take(self: Arc<Self>, place: &Path) -> Room {
        let mut taken = self.taken();
        let number = taken.last_key_value().map_or(0, |(last, _)| last + 1);
        taken.insert(number, 0);
        drop(taken);
        Room { rooms: self, number, place: place.to_owned() }
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Room {
    /// Looks at it until it holds too much.
    pub(super) async fn overflow(&self) -> BoxError {
        loop {
            let (began, place) = (Instant::now(), self.place.clone());
            // A runtime that stops measures nothing any more.
            let bytes = spawn_blocking(move || measure(&place)).await.unwrap_or(0);
            let is_too_much = {
                let mut taken = self.rooms.taken();
                taken.insert(self.number, bytes);
                is_too_much(&taken, self.number, self.rooms.limit)
            };
            if is_too_much {
                let limit = self.rooms.limit;
                return format!(
                    "its directory holds {bytes} bytes, and those of all commands may hold {limit} \
                     together (`temp.quota`)"
                )
                .into();
            }
            sleep(PAUSE.max(began.elapsed() * REST)).await;
        }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.rooms.taken().remove(&self.number);
    }
}

/// Whether there is too much, and this one has most of it.
fn is_too_much(taken: &Taken, number: u64, limit: u64) -> bool {
    let most = taken.iter().max_by_key(|(number, bytes)| (*bytes, *number));
    taken.values().sum::<u64>() > limit && most.is_some_and(|(most, _)| *most == number)
}

/// What a directory holds on the disk, as far as it can be read. Links are not followed.
fn measure(place: &Path) -> u64 {
    let (mut bytes, mut files) = (0, 0);
    let mut directories = vec![place.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
            files += 1;
            if files > FILES {
                return bytes;
            }
            let Ok(metadata) = entry.metadata() else { continue };
            bytes += metadata.blocks() * BLOCK;
            if metadata.is_dir() {
                directories.push(entry.path());
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_most_is_too_much_and_only_when_there_is_too_much() {
        for (taken, limit, expected) in [
            (&[][..], 0, None),
            (&[10], 10, None),
            (&[11], 10, Some(0)),
            (&[3, 6, 1], 10, None),
            (&[3, 7, 1], 10, Some(1)),
            (&[6, 6], 10, Some(1)),
        ] {
            let taken: Taken = (0..).zip(taken.iter().copied()).collect();
            let found = taken.keys().copied().filter(|number| is_too_much(&taken, *number, limit));
            assert_eq!(found.collect::<Vec<_>>(), Vec::from_iter(expected), "{taken:?}");
        }
    }
}
