//! `TempFile`: a temporary file, removed with its handle.

use std::future::poll_fn;
use std::io::{self, SeekFrom};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustix::fs::{Mode, OFlags, openat};
use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncSeek, AsyncWrite, ReadBuf};

use crate::name::Name;
use crate::persist::{Clash, move_file};
use crate::place::{Nested, Place, Seat};
use crate::pool::{blocking, blocking_with};
use crate::service::Inner;
use crate::{Error, PersistError, metrics};

const NEW: OFlags = OFlags::RDWR
    .union(OFlags::CREATE)
    .union(OFlags::EXCL)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// A temporary file. It is removed when this handle is dropped, however that comes about; readable
/// by nobody but this user.
///
/// It is read, written and sought through tokio's traits, on tokio's pool for blocking calls. As
/// with [`tokio::fs::File`], a write is on its way when it returns, and through after a flush. A
/// write for which the quota has no room fails with an error that [`QuotaExceeded::of`] explains;
/// the file stays as it was.
///
/// [`QuotaExceeded::of`]: crate::QuotaExceeded::of
#[derive(Debug)]
pub struct TempFile {
    file: File,
    seat: Seat,
    /// Where the next byte goes.
    position: u64,
    /// Up to where it has been written.
    length: u64,
    /// Up to where it is on the account.
    charged: u64,
}

impl TempFile {
    pub(crate) async fn create(inner: Arc<Inner>, name: &str) -> Result<Self, Error> {
        let name = Name::new(name)?;
        blocking(move || {
            let place = Place::take(inner, name.made_unique(), name.to_string());
            let place = place.ok_or_else(|| Error::Closed { name: name.to_string() })?;
            TempFile::open(Seat::Single(place))
        })
        .await
        .map_err(|_| Error::stopping("create", "a temporary file"))?
    }

    pub(crate) async fn create_in(
        parent: Arc<Place>,
        dir: Arc<std::os::fd::OwnedFd>,
        name: &str,
    ) -> Result<Self, Error> {
        let name = Name::new(name)?;
        let open = move || TempFile::open(Seat::Nested(Nested::new(parent, dir, name.as_str())));
        blocking(open).await.map_err(|_| Error::stopping("create", "a temporary file"))?
    }

    /// Nothing may lie there yet, not even a link.
    fn open(mut seat: Seat) -> Result<Self, Error> {
        let (dir, entry) = seat.entry();
        let opened = openat(dir, entry, NEW, Mode::RUSR | Mode::WUSR);
        match opened {
            Ok(file) => {
                metrics::created("file");
                let file = File::from_std(file.into());
                Ok(TempFile { file, seat, position: 0, length: 0, charged: 0 })
            }
            Err(error) => {
                let error = Error::io("create", seat.name())(error);
                // What lies there is somebody else's.
                seat.give_up();
                Err(error)
            }
        }
    }

    /// The name it was given; in a temporary directory, after that of the directory.
    pub fn name(&self) -> &str {
        self.seat.name()
    }

    /// Where it lies, for libraries and programs that want a path. What they write counts against
    /// the quota once the sweeper has seen it.
    pub fn path(&self) -> &Path {
        self.seat.path()
    }

    /// The bytes written to it through this handle.
    pub fn len(&self) -> u64 {
        self.length
    }

    /// Whether nothing has been written to it through this handle.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Cuts it off at this length, or fills it up with zeros.
    ///
    /// # Errors
    ///
    /// No room under the quota, or the system refuses.
    pub async fn set_len(&mut self, length: u64) -> io::Result<()> {
        self.reserve_to(length)?;
        let result = self.file.set_len(length).await;
        if result.is_ok() {
            self.length = length;
        }
        self.settle();
        result
    }

    /// Has everything on the disk, so that it survives a power loss.
    ///
    /// # Errors
    ///
    /// When the system cannot write it.
    pub async fn sync(&mut self) -> io::Result<()> {
        self.file.sync_all().await
    }

    /// Moves it out, to stay: whatever is there already is replaced, in one step. What was
    /// written is flushed first, but not [synced](Self::sync).
    ///
    /// To another file system it is copied, synced, and renamed there; `kill -9` in the middle of
    /// that leaves a hidden `.….part` beside the destination.
    ///
    /// # Errors
    ///
    /// When it cannot be moved; the error gives it back.
    ///
    /// # Cancel safety
    ///
    /// Dropped in the middle, the move is either done in full or the file removed.
    pub async fn persist(self, to: impl Into<PathBuf>) -> Result<(), PersistError<TempFile>> {
        self.move_out(to.into(), Clash::Replace).await
    }

    /// The same, but fails when there is something already.
    ///
    /// # Errors
    ///
    /// As [`persist`](Self::persist).
    ///
    /// # Cancel safety
    ///
    /// As [`persist`](Self::persist).
    pub async fn persist_new(self, to: impl Into<PathBuf>) -> Result<(), PersistError<TempFile>> {
        self.move_out(to.into(), Clash::Refuse).await
    }

    async fn move_out(mut self, to: PathBuf, clash: Clash) -> Result<(), PersistError<TempFile>> {
        if let Err(error) = poll_fn(|cx| Pin::new(&mut self.file).poll_flush(cx)).await {
            let error = Error::io("persist", self.name())(error);
            return Err(PersistError { file: Box::new(self), error });
        }
        let moved = blocking_with(Box::new(self), move |mut file| {
            match move_file(&file.file, &file.seat, &to, clash) {
                Ok(()) => {
                    file.seat.give_up();
                    metrics::persisted();
                    Ok(())
                }
                Err(error) => Err(PersistError { file, error }),
            }
        });
        moved.await.unwrap_or_else(|file| {
            let error = Error::stopping("persist", file.name());
            Err(PersistError { file, error })
        })
    }

    /// Gives up the handle and leaves the file to others, a program that was started to work on it
    /// for one. It is removed once it has not changed for the [age](crate::Settings::age), and at
    /// the end of the shutdown; in a temporary directory, with that.
    ///
    /// # Errors
    ///
    /// When what was written cannot be flushed; the file is removed then.
    pub async fn leave(mut self) -> Result<PathBuf, Error> {
        let flushed = poll_fn(|cx| Pin::new(&mut self.file).poll_flush(cx)).await;
        flushed.map_err(Error::io("leave", self.name()))?;
        let path = self.path().to_owned();
        match &mut self.seat {
            Seat::Single(place) => place.leave(),
            Seat::Nested(nested) => nested.give_up(),
        }
        Ok(path)
    }

    /// Is meant to live as long as the process: the shutdown removes it without reporting it. In
    /// a temporary directory it is the directory that counts.
    #[must_use = "the file is removed when its handle is dropped"]
    pub fn for_life(self) -> Self {
        match &self.seat {
            Seat::Single(place) => place.inner.ledger().hold_for_life(&place.entry),
            Seat::Nested(_) => {}
        }
        self
    }

    /// Removes it, and says whether that went well; dropping it does so in silence.
    ///
    /// # Errors
    ///
    /// When it cannot be removed; the sweeper will try again.
    pub async fn remove(mut self) -> Result<(), Error> {
        let name = self.name().to_owned();
        let removed = blocking(move || self.seat.remove()).await;
        let removed = removed.map_err(|_| Error::stopping("remove", &name))?;
        removed.map_err(Error::io("remove", &name))
    }

    /// Asks the quota for room up to there.
    fn reserve_to(&mut self, end: u64) -> io::Result<()> {
        if end > self.charged {
            self.seat.grow(end - self.charged)?;
            self.charged = end;
        }
        Ok(())
    }

    /// Gives back what was reserved and not taken.
    fn settle(&mut self) {
        if self.charged > self.length {
            self.seat.shrink(self.charged - self.length);
            self.charged = self.length;
        }
    }
}

impl AsyncWrite for TempFile {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.reserve_to(this.position.saturating_add(bytes.len() as u64))?;
        let poll = Pin::new(&mut this.file).poll_write(cx, bytes);
        if let Poll::Ready(Ok(written)) = &poll {
            this.position += *written as u64;
            this.length = this.length.max(this.position);
        }
        this.settle();
        poll
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().file).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().file).poll_shutdown(cx)
    }
}

impl AsyncRead for TempFile {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.file).poll_read(cx, buffer))?;
        this.position += (buffer.filled().len() - before) as u64;
        Poll::Ready(Ok(()))
    }
}

impl AsyncSeek for TempFile {
    fn start_seek(self: Pin<&mut Self>, position: SeekFrom) -> io::Result<()> {
        Pin::new(&mut self.get_mut().file).start_seek(position)
    }

    fn poll_complete(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        let this = self.get_mut();
        let position = ready!(Pin::new(&mut this.file).poll_complete(cx))?;
        this.position = position;
        Poll::Ready(Ok(position))
    }
}
