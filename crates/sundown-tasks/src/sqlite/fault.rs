//! What went wrong with the file, in words that help.

use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use rusqlite::ErrorCode;

use crate::StoreError;

/// The error of SQLite as one of the store.
pub(super) fn explain(error: &rusqlite::Error, path: &Path, patience: Duration) -> StoreError {
    let path = path.display();
    let unavailable = |why: String| StoreError::Unavailable { why };
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => unavailable(format!(
            "no turn to write {path} within {patience:?}: another process keeps it locked, or \
             too many write on a machine that is too busy (`fuser {path}` names them)"
        )),
        Some(ErrorCode::DiskFull) => unavailable(format!(
            "cannot write {path}: {error} (make room on its disk; nothing was lost)"
        )),
        Some(
            ErrorCode::SystemIoFailure
            | ErrorCode::CannotOpen
            | ErrorCode::PermissionDenied
            | ErrorCode::ReadOnly
            | ErrorCode::OutOfMemory
            | ErrorCode::OperationInterrupted,
        ) => unavailable(format!(
            "cannot use {path}: {error} (look at its disk and at the rights on it)"
        )),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreError::Broken {
            why: format!(
                "{path} is damaged: {error} (nothing more is written to it; move it away, restore a copy, \
                 or save what can be saved with `sqlite3 {path} .recover`)"
            ),
        },
        _ => StoreError::Broken { why: format!("{path}: {error}") },
    }
}

/// The same while the file is opened: what is not there or not ours then does not come by waiting.
pub(super) fn explain_opening(
    error: &rusqlite::Error,
    path: &Path,
    patience: Duration,
) -> StoreError {
    let is_for_good = matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly)
    );
    match explain(error, path, patience) {
        StoreError::Unavailable { why } if is_for_good => StoreError::Broken { why },
        explained => explained,
    }
}

/// Whether the file is not what it was.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error_code();
    matches!(code, Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// The first damage that anybody met: from then on nothing is written, so that no more is lost.
#[derive(Debug, Default)]
pub(super) struct Damage(OnceLock<StoreError>);

impl Damage {
    pub(super) fn found(&self) -> Option<StoreError> {
        self.0.get().cloned()
    }

    /// As [`explain`], and remembers it if the file is damaged.
    pub(super) fn explain(
        &self,
        error: &rusqlite::Error,
        path: &Path,
        patience: Duration,
    ) -> StoreError {
        let explained = explain(error, path, patience);
        if is_damage(error) {
            return self.0.get_or_init(|| explained).clone();
        }
        explained
    }
}

/// Whether it is the fault of what was asked, and not of the file: others may do better.
pub(super) fn is_of_the_request(error: &rusqlite::Error) -> bool {
    match error.sqlite_error_code() {
        Some(code) => matches!(
            code,
            ErrorCode::TooBig | ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch
        ),
        None => true,
    }
}
