//! What went wrong with the file, in words that help.

use std::path::Path;
use std::time::Duration;

use rusqlite::ErrorCode;

use crate::StoreError;

/// The error of SQLite as one of the store.
pub(super) fn explain(error: &rusqlite::Error, path: &Path, patience: Duration) -> StoreError {
    let path = path.display();
    let unavailable = |why: String| StoreError::Unavailable { why };
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => unavailable(format!(
            "cannot lock {path}: another process has kept it locked for {patience:?} \
             (`fuser {path}` names it)"
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
                "{path} is damaged: {error} (it is left as it is; move it away, restore a copy, \
                 or save what can be saved with `sqlite3 {path} .recover`)"
            ),
        },
        _ => StoreError::Broken { why: format!("{path}: {error}") },
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
