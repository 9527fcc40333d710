//! A checker for as much of JSON Schema as the API's document uses.

use serde_json::Value;

/// Follows a reference inside the document.
pub(crate) fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).expect(reference),
        None => value,
    }
}

/// Demands that a value is as its schema says; `strict` demands also that it has nothing else.
pub(crate) fn check(
    document: &Value,
    schema: &Value,
    value: &Value,
    at: &str,
) -> Result<(), String> {
    let schema = resolved(document, schema);
    let known = [
        "type",
        "required",
        "properties",
        "items",
        "oneOf",
        "enum",
        "description",
        "minimum",
        "maximum",
        "minLength",
        "maxLength",
        "minItems",
        "maxItems",
        "pattern",
        "default",
        "examples",
        "example",
        "additionalProperties",
    ];
    let keys = schema.as_object().ok_or_else(|| format!("{at}: no schema"))?.keys();
    for key in keys {
        if !known.contains(&key.as_str()) {
            return Err(format!("{at}: nobody checks `{key}`"));
        }
    }
    let is = |name: &str| match name {
        "null" => value.is_null(),
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    };
    let fits = match &schema["type"] {
        Value::String(name) => is(name),
        Value::Array(names) => names.iter().filter_map(Value::as_str).any(is),
        _ => true,
    };
    if !fits {
        return Err(format!("{at}: {value} is no {}", schema["type"]));
    }
    if schema["enum"].as_array().is_some_and(|names| !names.contains(value)) {
        return Err(format!("{at}: {value} is none of {}", schema["enum"]));
    }
    if let Some(ways) = schema["oneOf"].as_array() {
        let fitting = ways.iter().filter(|way| check(document, way, value, at).is_ok()).count();
        if fitting != 1 {
            return Err(format!("{at}: {value} is {fitting} of {ways:?}"));
        }
    }
    inside(document, schema, value, at)
}

fn inside(document: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if value.get(name).is_none() {
            return Err(format!("{at}: there is no {name} in {value}"));
        }
    }
    if let (Some(properties), Some(fields)) = (schema["properties"].as_object(), value.as_object())
    {
        for (name, field) in fields {
            let property =
                properties.get(name).ok_or_else(|| format!("{at}: {name} is undocumented"));
            check(document, property?, field, &format!("{at}.{name}"))?;
        }
    }
    if let (Some(items), Some(list)) = (schema.get("items"), value.as_array()) {
        for (index, item) in list.iter().enumerate() {
            check(document, items, item, &format!("{at}[{index}]"))?;
        }
    }
    Ok(())
}
