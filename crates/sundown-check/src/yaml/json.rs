//! Documents of JSON, whose strings and whitespace YAML reads otherwise.

use serde::de::IgnoredAny;
use serde_json::Number;

use super::build::{Budget, Builder};
use super::parse::Parsed;
use super::refusal::Refusal;
use super::scalar;
use super::split::Chunk;
use super::too_large;
use crate::node::Value;

/// The objects of a stretch of text, if it is JSON through and through.
pub(super) fn read(chunk: &Chunk<'_>, budget: &mut Budget) -> Option<Vec<Parsed>> {
    if chunk.crowded || !chunk.text.trim_start().starts_with('{') {
        return None;
    }
    let mut stream = serde_json::Deserializer::from_str(chunk.text).into_iter::<IgnoredAny>();
    let mut ends = Vec::new();
    while let Some(value) = stream.next() {
        value.ok()?;
        ends.push(stream.byte_offset());
    }
    let (mut begin, mut line) = (0, chunk.first);
    let mut roots = Vec::new();
    for end in ends {
        let text = &chunk.text[begin..end];
        let mut builder = Builder::new(budget);
        let walked = match too_large(text, line) {
            Some(refusal) => Err(Box::new(refusal)),
            None => walk(text, line, &mut builder),
        };
        let (root, flaws) = builder.finish();
        roots.push(Parsed { root: walked.map(|()| root), flaws });
        line += text.matches('\n').count();
        begin = end;
    }
    Some(roots)
}

/// Meets each value of one that is known to be JSON.
fn walk(text: &str, first: usize, builder: &mut Builder<'_>) -> Result<(), Box<Refusal>> {
    let bytes = text.as_bytes();
    let (mut at, mut line) = (0, first);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'{' => builder.open_map(line, 0)?,
            b'[' => builder.open_list(line, 0)?,
            b'}' | b']' => builder.close()?,
            b'\n' => line += 1,
            b' ' | b'\t' | b'\r' | b',' | b':' => {}
            _ => {
                let token = token(&text[at..]);
                leaf(token, line, builder)?;
                at += token.len();
                continue;
            }
        }
        at += 1;
    }
    Ok(())
}

/// The string, number or word at the beginning.
fn token(text: &str) -> &str {
    let bytes = text.as_bytes();
    let mut end = 1;
    if bytes[0] == b'"' {
        while end < bytes.len() && bytes[end] != b'"' {
            end += if bytes[end] == b'\\' { 2 } else { 1 };
        }
        end += 1;
    } else {
        let ends = |byte: &u8| matches!(byte, b',' | b'}' | b']' | b' ' | b'\t' | b'\r' | b'\n');
        end = bytes.iter().position(ends).unwrap_or(bytes.len()).max(1);
    }
    text.get(..end).unwrap_or(text)
}

fn leaf(token: &str, line: usize, builder: &mut Builder<'_>) -> Result<(), Box<Refusal>> {
    let value = match token {
        "null" => Ok(Value::Null),
        "true" => Ok(Value::Bool(true)),
        "false" => Ok(Value::Bool(false)),
        quoted if quoted.starts_with('"') => serde_json::from_str(quoted).map(Value::Text),
        number => serde_json::from_str(number).map(|number| Value::Number(written(number))),
    };
    let value = value.map_err(|error| {
        let mut what = error.to_string();
        what.truncate(what.find(" at line").unwrap_or(what.len()));
        Box::new(Refusal::scalar(line, format!("no JSON: {what}")))
    })?;
    let name = match &value {
        Value::Text(text) => text.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::List(_) | Value::Map(_) => {
            String::new()
        }
    };
    builder.scalar(line, 0, &name, false, value)
}

/// Go makes no difference between 1 and 1.0.
fn written(number: Number) -> Number {
    if !number.is_f64() {
        return number;
    }
    number.as_f64().and_then(scalar::whole).unwrap_or(number)
}
