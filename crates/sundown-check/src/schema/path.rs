//! How the way to a field is written: `spec.containers[0].env[2].value`.

/// A longer name is cut: a path is for reading.
const LONGEST: usize = 100;

/// A field of an object; one with dots or slashes in its name is bracketed.
pub(super) fn field(parent: &str, name: &str) -> String {
    let name = name.char_indices().nth(LONGEST).map_or(name, |(end, _)| &name[..end]);
    let usual =
        |char: char| char.is_ascii_alphanumeric() || char == '_' || char == '-' || char == '$';
    if name.is_empty() || !name.chars().all(usual) {
        return format!("{parent}[{name:?}]");
    }
    if parent.is_empty() { name.to_owned() } else { format!("{parent}.{name}") }
}

/// A member of a list.
pub(super) fn item(parent: &str, index: usize) -> String {
    format!("{parent}[{index}]")
}
