//! The metrics of the binary itself. The label `server` is the listener's name.

use metrics::{counter, describe_counter};

/// Requests with a wrong token.
const WRONG_TOKENS: &str = "sundown_wrong_tokens_total";

/// A listener that takes a token is there: its count begins at nothing.
pub(super) fn describe(server: &'static str) {
    describe_counter!(WRONG_TOKENS, "Requests with a wrong token.");
    counter!(WRONG_TOKENS, "server" => server).increment(0);
}

pub(super) fn wrong_token(server: &'static str) {
    counter!(WRONG_TOKENS, "server" => server).increment(1);
}
