//! `TempDir`: a temporary directory, removed with its handle and those of the files in it.

use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Mode, mkdirat};

use crate::name::Name;
use crate::persist::move_dir;
use crate::place::Place;
use crate::pool::{blocking, blocking_with};
use crate::service::Inner;
use crate::{Error, PersistError, TempFile, metrics, tree};

/// A temporary directory. It is removed, with everything in it, when this handle and those of its
/// [files](TempDir::file) are dropped.
#[derive(Debug)]
pub struct TempDir {
    /// First, so that it is closed before its place is removed.
    dir: Arc<OwnedFd>,
    place: Arc<Place>,
}

impl TempDir {
    pub(crate) async fn create(inner: Arc<Inner>, name: &str) -> Result<Self, Error> {
        let name = Name::new(name)?;
        let made = blocking(move || {
            let place = Place::take(inner, name.made_unique(), name.to_string());
            let mut place = place.ok_or_else(|| Error::Closed { name: name.to_string() })?;
            let own = place.inner.own.dir.as_fd();
            if let Err(error) = mkdirat(own, &place.entry, Mode::RWXU) {
                place.give_up();
                return Err(Error::io("create", &place.name)(error));
            }
            let dir =
                tree::open_dir(own, &place.entry).map_err(Error::io("create", &place.name))?;
            metrics::created("directory");
            Ok(TempDir { dir: Arc::new(dir), place: Arc::new(place) })
        });
        made.await.map_err(|_| Error::stopping("create", "a temporary directory"))?
    }

    /// The name it was given.
    pub fn name(&self) -> &str {
        &self.place.name
    }

    /// Where it lies, for libraries and programs that want a path. Names that come from elsewhere,
    /// out of an archive for one, must not be joined to it: ask for a [`file`](TempDir::file).
    pub fn path(&self) -> &Path {
        &self.place.path
    }

    /// Creates a file in it, under exactly this name.
    ///
    /// # Errors
    ///
    /// A name that leads elsewhere, one that is taken, a system that refuses.
    pub async fn file(&self, name: &str) -> Result<TempFile, Error> {
        TempFile::create_in(self.place.clone(), self.dir.clone(), name).await
    }

    /// Is meant to live as long as the process, a cache for one: the shutdown removes it without
    /// reporting it.
    #[must_use = "the directory is removed when its handle is dropped"]
    pub fn for_life(self) -> Self {
        self.place.inner.ledger().hold_for_life(&self.place.entry);
        self
    }

    /// Moves it out with all that is in it, to stay, in one step. An empty directory there is
    /// replaced.
    ///
    /// # Errors
    ///
    /// When files in it are still open, something is in the way, or the destination is on another
    /// file system; the error gives it back.
    ///
    /// # Cancel safety
    ///
    /// Dropped in the middle, either the move is done or the directory is removed.
    pub async fn persist(self, to: impl Into<PathBuf>) -> Result<(), PersistError<TempDir>> {
        let to = to.into();
        let moved = blocking_with(Box::new(self), move |mut dir| match dir.move_out(&to) {
            Ok(()) => Ok(()),
            Err(error) => Err(PersistError { file: dir, error }),
        });
        moved.await.unwrap_or_else(|dir| {
            let error = Error::stopping("persist", dir.name());
            Err(PersistError { file: dir, error })
        })
    }

    fn move_out(&mut self, to: &Path) -> Result<(), Error> {
        let place = self.alone("persist")?;
        move_dir(place, to)?;
        place.give_up();
        metrics::persisted();
        Ok(())
    }

    /// Removes it with all that is in it, and says whether that went well; dropping it does so in
    /// silence.
    ///
    /// # Errors
    ///
    /// When files in it are still open: the last of them removes it. When it cannot be removed:
    /// the sweeper will try again.
    pub async fn remove(mut self) -> Result<(), Error> {
        let name = self.name().to_owned();
        let removed = blocking(move || {
            let place = self.alone("remove")?;
            place.remove().map_err(Error::io("remove", &place.name))
        });
        removed.await.map_err(|_| Error::stopping("remove", &name))?
    }

    /// Its place, when no file in it has a handle.
    fn alone(&mut self, doing: &'static str) -> Result<&mut Place, Error> {
        let name = self.name().to_owned();
        Arc::get_mut(&mut self.place).ok_or(Error::InUse { name, doing })
    }
}
