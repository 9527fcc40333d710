//! JSON as stores keep it: text, which may have been spoilt since.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

/// For those who look: what is no JSON any more is shown as a text.
pub(crate) fn shown(text: &str) -> Box<RawValue> {
    let shown = RawValue::from_string(text.to_owned()).or_else(|_| to_raw_value(text));
    shown.expect("every text can be written as JSON")
}

/// The same, as a value: what is too deep for one is shown as a text.
pub(crate) fn shown_value(text: String) -> Value {
    serde_json::from_str(&text).unwrap_or(Value::String(text))
}

/// Whether they are the same JSON: the same structure, the same texts, and numbers written the same.
/// Spaces, the order of members and escapes make no difference; of a name that comes twice, the last
/// counts.
pub(crate) fn is_same(one: &str, other: &str) -> bool {
    if one == other {
        return true;
    }
    let mut shapes = Shapes::default();
    let one = shapes.of(one);
    one.is_some() && one == shapes.of(other)
}

/// Every value by a number, equal ones by the same: so each is compared once, however deep it lies.
#[derive(Default)]
struct Shapes(HashMap<Shape, usize>);

#[derive(PartialEq, Eq, Hash)]
enum Shape {
    /// A text.
    Text(String),
    /// A number, `true`, `false` or `null`, as it is written.
    Word(String),
    List(Vec<usize>),
    /// Names and values.
    Map(BTreeMap<usize, usize>),
}

impl Shapes {
    fn number(&mut self, shape: Shape) -> usize {
        let next = self.0.len();
        *self.0.entry(shape).or_insert(next)
    }

    /// The number of a whole text; nothing if it is no JSON.
    fn of(&mut self, text: &str) -> Option<usize> {
        let text: &RawValue = serde_json::from_str(text).ok()?;
        let mut rest = text.get();
        // What is open, from outside to inside; members alternate between names and values.
        let mut open: Vec<Vec<usize>> = vec![Vec::new()];
        while let Some(first) = rest.bytes().next() {
            let (token, after) = rest.split_at(length(rest));
            rest = after;
            let shape = match first {
                b'[' | b'{' => {
                    open.push(Vec::new());
                    continue;
                }
                b']' => Shape::List(open.pop()?),
                b'}' => {
                    Shape::Map(open.pop()?.chunks_exact(2).map(|two| (two[0], two[1])).collect())
                }
                // A text with half a character in it is itself.
                b'"' => {
                    Shape::Text(serde_json::from_str(token).unwrap_or_else(|_| token.to_owned()))
                }
                b',' | b':' | b' ' | b'\t' | b'\n' | b'\r' => continue,
                _ => Shape::Word(token.to_owned()),
            };
            let number = self.number(shape);
            open.last_mut()?.push(number);
        }
        open.pop()?.pop()
    }
}

/// How long the token is with which it begins.
fn length(text: &str) -> usize {
    let bytes = text.as_bytes();
    match bytes[0] {
        b'"' => {
            let mut end = 1;
            while end < bytes.len() && bytes[end] != b'"' {
                end += if bytes[end] == b'\\' { 2 } else { 1 };
            }
            (end + 1).min(bytes.len())
        }
        b'[' | b'{' | b']' | b'}' | b',' | b':' | b' ' | b'\t' | b'\n' | b'\r' => 1,
        _ => text.find([',', ']', '}', ' ', '\t', '\n', '\r']).unwrap_or(bytes.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_json_is_the_same_however_it_is_written() {
        for (one, other) in [
            ("1", " 1 "),
            (
                r#"{"a":[1,{"b":null}],"c":"x y"}"#,
                "{ \"c\" : \"x y\",\n\t\"a\": [1, {\"b\": null}] }",
            ),
            (r#"["A\n\"",""]"#, r#"["A\n\"" , ""]"#),
            (r#"{"a":1,"a":2}"#, r#"{"a":2}"#),
            ("[]", "[ ]"),
            (r#"["\ud800"]"#, r#"[ "\ud800"]"#),
        ] {
            assert!(is_same(one, other), "{one} and {other}");
        }
    }

    #[test]
    fn what_differs_in_one_place_differs() {
        for (one, other) in [
            ("18446744073709551616", "18446744073709551617"),
            ("18446744073709551616", "18446744073709551616.0"),
            ("0.1", "0.10000000000000000001"),
            ("1", "1.0"),
            ("1", "\"1\""),
            ("null", "\"null\""),
            ("[]", "{}"),
            ("[1,2]", "[2,1]"),
            ("[[1],2]", "[[1,2]]"),
            (r#"{"a":"b"}"#, r#"["a","b"]"#),
            (r#"{"a":1}"#, r#"{"a":1,"b":1}"#),
            (r#"["a b"]"#, r#"["ab"]"#),
            ("no JSON", "no  JSON"),
        ] {
            assert!(!is_same(one, other), "{one} and {other}");
        }
    }

    #[test]
    fn a_million_levels_are_compared_all_the_same() {
        let deep = |inner| format!("{}{inner}{}", "[".repeat(1 << 20), "]".repeat(1 << 20));
        assert!(is_same(&deep("1"), &deep(" 1")));
        assert!(!is_same(&deep("1"), &deep("2")));
    }
}
