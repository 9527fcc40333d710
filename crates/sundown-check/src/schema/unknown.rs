//! Fields that their object does not have, and where they may belong.

use super::closest::closest;
use super::missing::article;
use super::reader::Seen;
use super::{Flaw, path};
use crate::finding::Rule;
use crate::node::Entry;

/// More of them in one object help nobody.
const MOST: usize = 20;

/// Each field that the type it stands in has not.
pub(super) fn check(seen: &[Seen<'_>]) -> Vec<Flaw> {
    let entries = seen
        .iter()
        .flat_map(|object| object.node.entries().iter().map(move |entry| (object, entry)));
    entries
        .filter(|(object, entry)| !object.fields.contains(&entry.key.as_str()))
        .take(MOST)
        .map(|(object, entry)| flaw(object, entry, seen))
        .collect()
}

fn flaw(object: &Seen<'_>, entry: &Entry, seen: &[Seen<'_>]) -> Flaw {
    let key = entry.key.as_str();
    let of = article(object.kind);
    let elsewhere = || home(key, object, seen);
    let mend = if let Some(name) = closest(key, object.fields.iter().copied()) {
        format!("is `{name}` meant?")
    } else if let Some(home) = elsewhere() {
        format!("it is a field of `{home}`: move it there, or check the indentation")
    } else {
        "remove it, or check the indentation".to_owned()
    };
    let field = path::field(&object.path, key);
    let what = format!("{of} has no field `{key}`");
    Flaw::error(Rule::UnknownField, entry.line, field, what, mend)
        .because("kubectl refuses it, other clients drop it silently: it has no effect")
}

/// A part of the same object that has such a field: one around it, if there is one.
fn home<'s>(key: &str, object: &Seen<'_>, seen: &'s [Seen<'_>]) -> Option<&'s str> {
    let has = |other: &&Seen<'_>| other.fields.contains(&key) && !other.path.is_empty();
    let around = |other: &&Seen<'_>| object.path.starts_with(&other.path);
    let mut homes = seen.iter().rev().filter(has);
    let first = homes.clone().next();
    homes.find(around).or(first).map(|home| home.path.as_str())
}
