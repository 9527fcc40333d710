//! Where temporary files live, how much there may be of them, and how long they are left alone.

use std::borrow::Cow;
use std::path::PathBuf;
use std::time::Duration;

use crate::StartError;

/// How temporary files are kept; the defaults work.
#[derive(Debug, Clone)]
#[must_use = "settings do nothing until `TempFiles::start`"]
pub struct Settings {
    pub(crate) name: Cow<'static, str>,
    pub(crate) root: Option<PathBuf>,
    pub(crate) quota: Option<u64>,
    pub(crate) age: Duration,
    pub(crate) interval: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            name: Cow::Borrowed("temp files"),
            root: None,
            quota: None,
            age: Duration::from_secs(3600),
            interval: Duration::from_secs(60),
        }
    }
}

impl Settings {
    /// The directory that all processes of a service share; by default `sundown-UID` where the
    /// system keeps temporary files. It is created if need be, must belong to this user, be
    /// writable for nobody else, and lie on a local file system. Files that are to be
    /// [persisted](crate::TempFile::persist) move fastest when it lies on the file system of
    /// their destination.
    pub fn root(mut self, root: impl Into<PathBuf>) -> Self {
        self.root = Some(root.into());
        self
    }

    /// The most bytes that the temporary files of this process may take; by default there is no
    /// bound but the disk.
    pub fn quota(mut self, bytes: u64) -> Self {
        self.quota = Some(bytes);
        self
    }

    /// How long a file without a handle is left alone, counted from its last change; by default
    /// an hour.
    pub fn age(mut self, age: Duration) -> Self {
        self.age = age;
        self
    }

    /// How often the sweeper looks; by default once a minute.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// The name under which it takes part in the shutdown, for services with several; by default
    /// `temp files`.
    pub fn named(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.name = name.into();
        self
    }

    pub(crate) fn check(&self) -> Result<(), StartError> {
        if self.quota == Some(0) {
            return Err(StartError::Zero { setting: "quota" });
        }
        if self.interval.is_zero() {
            return Err(StartError::Zero { setting: "interval" });
        }
        Ok(())
    }

    /// The root, absolute and without a slash at its end: that one would follow a link.
    pub(crate) fn root_path(&self) -> std::io::Result<PathBuf> {
        let user = rustix::process::geteuid().as_raw();
        let usual = || std::env::temp_dir().join(format!("sundown-{user}"));
        let root = self.root.clone().unwrap_or_else(usual);
        Ok(std::path::absolute(root)?.components().collect())
    }
}
