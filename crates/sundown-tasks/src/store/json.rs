//! JSON as stores keep it: text, which may have been spoilt since.

use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

/// For those who look: what is no JSON any more is shown as a text.
pub(crate) fn shown(text: String) -> Box<RawValue> {
    let shown = RawValue::from_string(text.clone()).or_else(|_| to_raw_value(&text));
    shown.expect("every text can be written as JSON")
}

/// The same, as a value: what is too deep for one is shown as a text.
pub(crate) fn shown_value(text: String) -> Value {
    serde_json::from_str(&text).unwrap_or(Value::String(text))
}
