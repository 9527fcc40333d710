//! Reads nodes into the types of Kubernetes, and keeps which type took which node.

use std::cell::RefCell;
use std::collections::HashSet;

use serde::de::value::StrDeserializer;
use serde::de::{DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize, forward_to_deserialize_any};

use super::refused::{Refused, TEXT, WHOLE, YES_NO, identity};
use super::{Flaw, missing, path, values};
use crate::node::{Entry, Node, Value};

/// More values of a wrong type in one object help nobody.
const MOST_REFUSED: usize = 20;

/// A map that was read as a type.
#[derive(Debug)]
pub(super) struct Seen<'a> {
    /// The type: `Container`.
    pub(super) kind: &'static str,
    /// The fields that the type has.
    pub(super) fields: &'static [&'static str],
    /// What stands there.
    pub(super) node: &'a Node,
    /// Where it stands.
    pub(super) path: String,
}

/// What came of reading an object.
pub(super) struct Reading<'a> {
    /// Each part that was read as a type.
    pub(super) seen: Vec<Seen<'a>>,
    /// Values of a wrong type, and missing fields.
    pub(super) flaws: Vec<Flaw>,
}

/// Reads a node as a type. What the type does not take is noted and left out, so that the rest is read.
pub(super) fn read<'a, T: Deserialize<'a> + Serialize>(root: &'a Node, at: &str) -> Reading<'a> {
    let (mut flaws, mut left_out) = (Vec::new(), HashSet::new());
    for _ in 0..MOST_REFUSED {
        let log = Log { seen: RefCell::default(), left_out: &left_out };
        let reader = Reader { node: root, path: at.to_owned(), log: &log };
        match T::deserialize(reader) {
            Ok(value) => {
                let seen = log.seen.into_inner();
                if let Ok(json) = serde_json::to_value(value) {
                    flaws.extend(missing::check(&json, root, at, &seen, &left_out));
                }
                return Reading { seen, flaws };
            }
            Err(refused) => {
                let (node, flaw) = refused.flaw(root);
                flaws.push(flaw);
                if std::ptr::eq(node, root) || !left_out.insert(identity(node)) {
                    break;
                }
            }
        }
    }
    Reading { seen: Vec::new(), flaws }
}

/// What is kept while an object is read.
struct Log<'a, 'log> {
    seen: RefCell<Vec<Seen<'a>>>,
    left_out: &'log HashSet<usize>,
}

/// A node and the way to it.
struct Reader<'a, 'log> {
    node: &'a Node,
    path: String,
    log: &'log Log<'a, 'log>,
}

impl<'a> Reader<'a, '_> {
    fn refuse<T>(&self, expected: &str) -> Result<T, Refused<'a>> {
        Err(Refused::expected(expected).within(self.node, &self.path))
    }

    fn map<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Refused<'a>> {
        let Self { node, path, log } = self;
        let entries = node.entries().iter();
        let read = visitor.visit_map(Entries { entries, value: None, path: &path, log });
        read.map_err(|refused| refused.within(node, &path))
    }

    fn list<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Refused<'a>> {
        let Self { node, path, log } = self;
        let nodes = node.list().iter().enumerate();
        let read = visitor.visit_seq(Items { nodes, path: &path, log });
        read.map_err(|refused| refused.within(node, &path))
    }

    fn number<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Refused<'a>> {
        let Value::Number(number) = &self.node.value else { return self.refuse(WHOLE) };
        let read = match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => visitor.visit_i64(number),
            (None, Some(number)) => visitor.visit_u64(number),
            (None, None) => return self.refuse(WHOLE),
        };
        read.map_err(|refused: Refused<'a>| refused.within(self.node, &self.path))
    }

    fn text<V: Visitor<'a>>(self, visitor: V, breaks: bool) -> Result<V::Value, Refused<'a>> {
        let read = match &self.node.value {
            // Go takes nothing for an empty text.
            Value::Null => visitor.visit_str(""),
            Value::Text(text) if breaks => visitor.visit_str(text),
            Value::Text(text) => visitor.visit_str(&text.replace(['\r', '\n'], "")),
            Value::Bool(_) | Value::Number(_) | Value::List(_) | Value::Map(_) => {
                return self.refuse(TEXT);
            }
        };
        read.map_err(|refused: Refused<'a>| refused.within(self.node, &self.path))
    }
}

macro_rules! numbers {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Refused<'a>> {
            self.number(visitor)
        }
    )*};
}

impl<'a> Deserializer<'a> for Reader<'a, '_> {
    type Error = Refused<'a>;

    numbers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
    }

    forward_to_deserialize_any! {
        <W: Visitor<'a>>
        char bytes byte_buf unit unit_struct tuple tuple_struct enum identifier
    }

    fn deserialize_any<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Refused<'a>> {
        let (node, path) = (self.node, self.path.clone());
        let read = match &node.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(yes) => visitor.visit_bool(*yes),
            Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
                (Some(number), ..) => visitor.visit_i64(number),
                (None, Some(number), _) => visitor.visit_u64(number),
                (None, None, number) => visitor.visit_f64(number.unwrap_or_default()),
            },
            Value::Text(text) => visitor.visit_str(text),
            Value::List(_) => self.list(visitor),
            Value::Map(_) => self.map(visitor),
        };
        read.map_err(|refused: Refused<'a>| refused.within(node, &path))
    }

    fn deserialize_bool<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Refused<'a>> {
        let Value::Bool(yes) = self.node.value else { return self.refuse(YES_NO) };
        visitor.visit_bool(yes)
    }

    fn deserialize_f32<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Refused<'a>> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Refused<'a>> {
        let Value::Number(number) = &self.node.value else { return self.refuse("a number") };
        visitor.visit_f64(number.as_f64().unwrap_or_default())
    }

    /// What bytes and times are read by: Go overlooks line breaks in them.
    fn deserialize_str<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Refused<'a>> {
        self.text(visitor, false)
    }

    fn deserialize_string<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Refused<'a>> {
        self.text(visitor, true)
    }

    fn deserialize_option<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Refused<'a>> {
        if self.node.value == Value::Null { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'a>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refused<'a>> {
        if name == "Quantity" && !values::is_quantity(self.node) {
            return self.refuse("a quantity, like `2`, `500m` or `64Mi`,");
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Refused<'a>> {
        match self.node.value {
            Value::List(_) | Value::Null => self.list(visitor),
            Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::Map(_) => {
                self.refuse("a list")
            }
        }
    }

    fn deserialize_map<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Refused<'a>> {
        match self.node.value {
            Value::Map(_) | Value::Null => self.map(visitor),
            Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::List(_) => {
                self.refuse("a map")
            }
        }
    }

    fn deserialize_struct<V: Visitor<'a>>(
        self,
        kind: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused<'a>> {
        let Value::Map(_) = self.node.value else { return self.refuse("a map") };
        let seen = Seen { kind, fields, node: self.node, path: self.path.clone() };
        self.log.seen.borrow_mut().push(seen);
        self.map(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Refused<'a>> {
        visitor.visit_unit()
    }
}

struct Entries<'a, 'log> {
    entries: std::slice::Iter<'a, Entry>,
    value: Option<&'a Entry>,
    path: &'log str,
    log: &'log Log<'a, 'log>,
}

impl<'a> MapAccess<'a> for Entries<'a, '_> {
    type Error = Refused<'a>;

    fn next_key_seed<K: DeserializeSeed<'a>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Refused<'a>> {
        let left_out = self.log.left_out;
        self.value = self.entries.find(|entry| !left_out.contains(&identity(&entry.node)));
        let Some(entry) = self.value else { return Ok(None) };
        let key: StrDeserializer<'_, Refused<'a>> = entry.key.as_str().into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'a>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, Refused<'a>> {
        let Some(entry) = self.value else { return Err(Refused::expected("an entry")) };
        let path = path::field(self.path, &entry.key);
        let reader = Reader { node: &entry.node, path: path.clone(), log: self.log };
        seed.deserialize(reader).map_err(|refused| refused.within(&entry.node, &path))
    }
}

struct Items<'a, 'log> {
    nodes: std::iter::Enumerate<std::slice::Iter<'a, Node>>,
    path: &'log str,
    log: &'log Log<'a, 'log>,
}

impl<'a> SeqAccess<'a> for Items<'a, '_> {
    type Error = Refused<'a>;

    fn next_element_seed<T: DeserializeSeed<'a>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Refused<'a>> {
        let left_out = self.log.left_out;
        let next = self.nodes.find(|(_, node)| !left_out.contains(&identity(node)));
        let Some((index, node)) = next else { return Ok(None) };
        let path = path::item(self.path, index);
        let reader = Reader { node, path: path.clone(), log: self.log };
        seed.deserialize(reader).map(Some).map_err(|refused| refused.within(node, &path))
    }
}
