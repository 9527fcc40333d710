//! What a plain scalar means to `kubectl`: YAML 1.1, as Go's parser has it, and then JSON.

use serde_json::Number;

use crate::node::Value;

const CORE: &str = "tag:yaml.org,2002:";

/// The value of a scalar; an error says what it cannot be.
pub(super) fn resolve(text: &str, plain: bool, tag: Option<&str>) -> Result<Value, String> {
    let Some(tag) = tag else {
        return if plain { bare(text) } else { Ok(Value::Text(text.to_owned())) };
    };
    let Some(core) = tag.strip_prefix(CORE) else { return Ok(Value::Text(text.to_owned())) };
    let value = match core {
        "null" | "bool" | "int" | "float" => bare(text)?,
        "binary" => return Err("`!!binary` is not passed on by kubectl".to_owned()),
        _ => return Ok(Value::Text(text.to_owned())),
    };
    let fits = match &value {
        Value::Null => core == "null",
        Value::Bool(_) => core == "bool",
        Value::Number(number) => core == "float" || core == "int" && !number.is_f64(),
        Value::Text(_) | Value::List(_) | Value::Map(_) => false,
    };
    if fits { Ok(value) } else { Err(format!("`{text}` is not what `!!{core}` promises")) }
}

/// What stands there without quotes and tag.
fn bare(text: &str) -> Result<Value, String> {
    Ok(match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            Value::Bool(true)
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Value::Bool(false)
        }
        ".nan" | ".NaN" | ".NAN" | ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF"
        | "-.inf" | "-.Inf" | "-.INF" => return Err(format!("`{text}` is no number of JSON")),
        _ => numeric(text).map_or_else(|| Value::Text(text.to_owned()), Value::Number),
    })
}

fn numeric(text: &str) -> Option<Number> {
    match text.as_bytes().first()? {
        b'.' => float(text),
        b'0'..=b'9' | b'+' | b'-' => {
            let digits = text.replace('_', "");
            integer(&digits).or_else(|| float(&digits))
        }
        _ => None,
    }
}

/// Decimal, `0x1f`, `0o17`, `017`, `0b11`.
fn integer(text: &str) -> Option<Number> {
    let (negative, magnitude) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let lower = magnitude.to_ascii_lowercase();
    let (radix, digits) = if let Some(digits) = lower.strip_prefix("0x") {
        (16, digits)
    } else if let Some(digits) = lower.strip_prefix("0o") {
        (8, digits)
    } else if let Some(digits) = lower.strip_prefix("0b") {
        (2, digits)
    } else if lower.len() > 1 && lower.starts_with('0') {
        (8, &lower[1..])
    } else {
        (10, lower.as_str())
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let value = u64::from_str_radix(digits, radix).ok()?;
    if negative { 0_i64.checked_sub_unsigned(value).map(Number::from) } else { Some(value.into()) }
}

/// A number with a point or an exponent; a whole one becomes an integer, as Go writes it to JSON.
fn float(text: &str) -> Option<Number> {
    let usual =
        text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
    let value: f64 = text.parse().ok().filter(|_| usual)?;
    whole(value).or_else(|| Number::from_f64(value))
}

/// The integer that a float is.
pub(super) fn whole(value: f64) -> Option<Number> {
    if value.fract() != 0.0 || value.abs() >= 1e19 {
        return None;
    }
    let digits = format!("{value:.0}");
    digits
        .parse::<i64>()
        .map(Number::from)
        .or_else(|_| digits.parse::<u64>().map(Number::from))
        .ok()
}
