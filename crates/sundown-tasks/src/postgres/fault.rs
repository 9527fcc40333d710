//! What goes wrong with a statement, by what can be done about it.

use std::error::Error as _;
use std::fmt;

use tokio_postgres::error::{DbError, Error, SqlState};

use crate::StoreError;

/// Why a statement has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// The connection is gone; whether it was done is not known.
    Lost(String),
    /// It was rolled back, and is worth another try at once.
    RolledBack(String),
    /// It was rolled back, and would be again just now.
    Refused(String),
    /// It was done before, when its answer was lost.
    Done,
    /// It was rolled back, and always would be.
    Broken(String),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        match error.as_db_error() {
            Some(said) => of_code(said),
            // All that is no word of the server is the end of the connection, or a value that does
            // not fit its type.
            None if is_encoding(&error) => Fault::Broken(text(&error)),
            None if error.is_closed() || is_io(&error) => Fault::Lost(text(&error)),
            None => Fault::Broken(text(&error)),
        }
    }
}

fn of_code(said: &DbError) -> Fault {
    let code = said.code();
    let why = || format!("{} ({})", said.message(), code.code());
    if code.code() == "SD001" {
        return Fault::Done;
    }
    if [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED].contains(code) {
        return Fault::RolledBack(why());
    }
    if code == &SqlState::QUERY_CANCELED || code == &SqlState::LOCK_NOT_AVAILABLE {
        return Fault::RolledBack(why());
    }
    if code == &SqlState::TOO_MANY_CONNECTIONS {
        return Fault::Lost(why());
    }
    match code.code().get(..2) {
        // The connection, or the whole server, ends or begins.
        Some("08") => Fault::Lost(why()),
        Some("57") if code.code().starts_with("57P") => Fault::Lost(why()),
        // Full, out of memory, read-only, a disk that fails.
        Some("53" | "25" | "58") => Fault::Refused(why()),
        _ => Fault::Broken(why()),
    }
}

/// A value that is too long to be sent is an error of input and output to the driver, and nothing was
/// sent.
fn is_encoding(error: &Error) -> bool {
    error.to_string().starts_with("error encoding message")
}

fn is_io(error: &Error) -> bool {
    let mut source = error.source();
    while let Some(error) = source {
        if error.is::<std::io::Error>() {
            return true;
        }
        source = error.source();
    }
    // A server that closes the connection in the middle of a message is told by words alone.
    error.to_string().contains("unexpected message from server")
}

/// An error with what is behind it.
pub(super) fn text(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = error.source();
    }
    text
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Lost(why) | Fault::RolledBack(why) | Fault::Refused(why) => f.write_str(why),
            Fault::Done => {
                f.write_str("the connection was lost; it was done, and its answer is not known")
            }
            Fault::Broken(why) => f.write_str(why),
        }
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        let why = fault.to_string();
        match fault {
            Fault::Lost(_) | Fault::RolledBack(_) | Fault::Refused(_) | Fault::Done => {
                StoreError::Unavailable { why }
            }
            Fault::Broken(_) => StoreError::Broken { why },
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio_postgres::{Config, NoTls};

    use super::*;

    #[tokio::test]
    async fn what_cannot_be_encoded_is_no_loss_of_the_connection() {
        let (wire, _other_end) = tokio::io::duplex(64);
        let connecting = Config::new().user("nobody\0").connect_raw(wire, NoTls).await;
        let Err(error) = connecting else { panic!("no name has a zero byte") };
        assert!(is_io(&error), "as the driver sees it: {error:?}");
        assert!(matches!(Fault::from(error), Fault::Broken(_)));
    }
}
