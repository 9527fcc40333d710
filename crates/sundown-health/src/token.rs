//! The token that opens what is not for everybody.

use std::fmt;
use std::sync::Arc;

use actix_web::http::header::{AUTHORIZATION, HeaderMap};

/// A bearer token; cheap to clone.
///
/// ```
/// use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
/// use sundown_health::Token;
///
/// let token = Token::new("s3cret").ok_or("an empty token opens nothing")?;
/// let mut headers = HeaderMap::new();
/// assert!(!token.is_sent_with(&headers));
/// headers.insert(AUTHORIZATION, HeaderValue::from_static("Bearer s3cret"));
/// assert!(token.is_sent_with(&headers));
/// # Ok::<_, &str>(())
/// ```
#[derive(Clone)]
pub struct Token(Arc<str>);

impl Token {
    /// This token; none if it is empty, because that one everybody has.
    pub fn new(token: impl Into<String>) -> Option<Self> {
        let token: String = token.into();
        (!token.is_empty()).then(|| Token(token.into()))
    }

    /// Whether these headers hold it, as `Authorization: Bearer TOKEN`. It takes as long for any
    /// wrong token of the right length.
    pub fn is_sent_with(&self, headers: &HeaderMap) -> bool {
        let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let given = header.and_then(|header| {
            let (scheme, token) = header.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
        });
        let Some(given) = given else { return false };
        let differs = self.0.bytes().zip(given.bytes()).fold(0, |all, (a, b)| all | (a ^ b));
        self.0.len() == given.len() && differs == 0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}
