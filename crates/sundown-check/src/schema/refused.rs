//! Why a type does not take a value, and where the value stands.

use std::fmt::{self, Display};

use serde::de;

use super::Flaw;
use crate::node::{Node, Value};

/// What a type says to a value it does not take.
#[derive(Debug)]
pub(super) struct Refused<'a> {
    expected: String,
    /// The value, once an access has said which it is.
    at: Option<(&'a Node, String)>,
}

impl<'a> Refused<'a> {
    /// Something else was wanted.
    pub(super) fn expected(expected: impl Into<String>) -> Self {
        Self { expected: expected.into(), at: None }
    }

    /// The innermost place is the right one.
    pub(super) fn within(mut self, node: &'a Node, path: &str) -> Self {
        self.at.get_or_insert_with(|| (node, path.to_owned()));
        self
    }

    /// The value it is about, and the finding.
    pub(super) fn flaw(&self, root: &'a Node) -> (&'a Node, Flaw) {
        let (node, field) = self.at.clone().unwrap_or((root, String::new()));
        let (what, mend) = self.say(node);
        (node, Flaw::wrong(node, field, what, mend))
    }

    fn say(&self, node: &Node) -> (String, String) {
        let expected = &*self.expected;
        let what = format!("{} stands where {expected} must be", shown(node));
        let mend = match &node.value {
            Value::Bool(yes) if expected == TEXT => {
                let word = if *yes { "yes" } else { "no" };
                format!("quote it: \"{yes}\", or \"{word}\" if that was written")
            }
            Value::Number(number) if expected == TEXT && number.is_f64() => {
                format!("quote it as it was written, like \"{number}\"")
            }
            Value::Number(number) if expected == TEXT => format!("quote it: \"{number}\""),
            Value::Text(text) if expected == WHOLE && text.parse::<i64>().is_ok() => {
                format!("write it without quotes: {text}")
            }
            Value::Text(text) if expected == YES_NO && matches!(&**text, "true" | "false") => {
                format!("write it without quotes: {text}")
            }
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::Text(_)
            | Value::List(_)
            | Value::Map(_) => format!("write {expected}"),
        };
        (what, mend)
    }
}

/// What types that take texts, whole numbers, or yes and no want.
pub(super) const TEXT: &str = "a text";
pub(super) const WHOLE: &str = "a whole number";
pub(super) const YES_NO: &str = "`true` or `false`";

/// Which node it is: its address does not change while the document is checked.
pub(super) fn identity(node: &Node) -> usize {
    std::ptr::from_ref(node).addr()
}

/// A value in a sentence.
pub(super) fn shown(node: &Node) -> String {
    match &node.value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(_) => format!("the yes-or-no value `{}`", bare(node)),
        Value::Number(_) => format!("the number {}", bare(node)),
        Value::Text(text) if text.chars().count() > 60 => "a long text".to_owned(),
        Value::Text(text) => format!("the text {text:?}"),
        Value::List(_) => "a list".to_owned(),
        Value::Map(_) => "a map".to_owned(),
    }
}

fn bare(node: &Node) -> String {
    node.to_json().to_string()
}

impl Display for Refused<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}", self.expected)
    }
}

impl std::error::Error for Refused<'_> {}

impl de::Error for Refused<'_> {
    fn custom<T: Display>(message: T) -> Self {
        let message = message.to_string();
        if message.contains("symbol") || message.contains("padding") || message.contains("length") {
            return Self::expected("base64 (or plain text, under `stringData`)");
        }
        Self::expected(format!("another value ({message})"))
    }

    fn invalid_type(_: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::expected(known(&expected.to_string()))
    }

    fn invalid_value(_: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::expected(known(&expected.to_string()))
    }
}

/// A type's name in the words of whoever writes manifests.
fn known(expected: &str) -> String {
    match expected {
        "IntOrString" => "a whole number or a text".to_owned(),
        "Quantity" => "a quantity, like `500m` or `64Mi`,".to_owned(),
        "i32" | "a 32-bit integer" => "a whole number of 32 bits".to_owned(),
        "i64" => WHOLE.to_owned(),
        other => other.to_owned(),
    }
}
