//! Why a document cannot be read, said to whoever wrote it.

use crate::finding::Severity;
use crate::node::{Node, Value};

/// A fault of the text, rather than of the object it describes.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) severity: Severity,
    pub(super) line: usize,
    pub(super) field: String,
    pub(super) what: String,
    pub(super) why: String,
    pub(super) mend: String,
}

const UNREADABLE: &str = "kubectl cannot read the document, so nothing of it is applied";

impl Refusal {
    pub(super) fn new(
        line: usize,
        what: impl Into<String>,
        why: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        let (severity, field) = (Severity::Error, String::new());
        Self { severity, line, field, what: what.into(), why: why.into(), mend: mend.into() }
    }

    pub(super) fn unreadable(
        line: usize,
        what: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self::new(line, what, UNREADABLE, mend)
    }

    pub(super) fn large_file(most: usize) -> Self {
        let what = format!("the file has more than {} MiB", most / (1 << 20));
        let why = "so much is hardly one deployment, and nothing of it is read";
        Self::new(1, what, why, "split the file, or name only the manifests")
    }

    pub(super) fn large_document(line: usize, bytes: usize, most: usize) -> Self {
        let what = format!(
            "the document has {} MiB, the limit is {} MiB",
            tenths(bytes),
            most / (1 << 20)
        );
        let why = "the API server stores objects of at most 1.5 MiB, so this is no manifest";
        Self::new(line, what, why, "part the documents by lines of `---`, or leave this one out")
    }

    pub(super) fn utf_16() -> Self {
        Self::unreadable(1, "the file is UTF-16", "save it as UTF-8")
    }

    pub(super) fn not_utf_8(line: usize, byte: u8) -> Self {
        let what = format!("the byte 0x{byte:02X} is no UTF-8");
        Self::unreadable(line, what, "save the file as UTF-8; binary data goes as base64")
    }

    pub(super) fn control(line: usize, control: char) -> Self {
        let what = format!("the control character U+{:04X} is not allowed", u32::from(control));
        Self::unreadable(line, what, "remove it, or write it as an escape in double quotes")
    }

    pub(super) fn and_so_on(line: usize, most: usize) -> Self {
        let what = format!("after {most} faults the rest of the file is not read");
        let why = "a file with so many faults is hardly a manifest";
        Self::new(line, what, why, "mend the faults above, then check again")
    }

    pub(super) fn root_is_no_map(root: &Node) -> Self {
        let what = format!("the document is {}, not an object", noun(&root.value));
        let mend = "begin with `apiVersion:` and `kind:`; several objects are parted by lines of \
                    `---`, or are the `items` of a `kind: List`";
        Self::unreadable(root.line, what, mend)
    }

    pub(super) fn item_is_no_map(item: &Node) -> Self {
        let what = format!("an item of the list is {}, not an object", noun(&item.value));
        Self::unreadable(item.line, what, "give each item its `apiVersion:` and `kind:`")
    }

    pub(super) fn crowded(line: usize) -> Self {
        let what = "something stands behind `---` on its line";
        Self::unreadable(line, what, "leave `---` alone on its line")
    }

    pub(super) fn dropped(line: usize) -> Self {
        let what = "another document begins here, without a line of `---` before it";
        let why = "kubectl reads only the first of the two, and drops this one silently";
        Self::new(line, what, why, "part the documents by a line of `---`")
    }

    pub(super) fn duplicate(key: &str, line: usize, first: usize) -> Self {
        let what = format!("`{key}` stands here again, first on line {first}");
        let why = "only the last one counts, the others are dropped silently";
        Self::new(line, what, why, format!("keep one `{key}`"))
    }

    pub(super) fn merged_over(key: &str, line: usize, first: usize) -> Self {
        let what = format!("`<<` brings another `{key}` than the one written on line {first}");
        let why = "kubectl takes what comes last, so the written value is lost";
        let refusal = Self::new(line, what, why, "put `<<` before the other fields of its map");
        Self { severity: Severity::Warning, ..refusal }
    }

    pub(super) fn merge_of_no_map(line: usize) -> Self {
        let what = "`<<` merges something that is no map";
        Self::unreadable(line, what, "merge an alias of a map (`<<: *name`), or a list of them")
    }

    pub(super) fn key_is_no_text(line: usize, written: &str, value: &Value) -> Self {
        let read = match value {
            Value::Null => "as nothing".to_owned(),
            Value::Bool(yes) => format!("as `{yes}`"),
            Value::Number(number) => format!("as `{number}`"),
            Value::Text(text) => format!("as `{text}`"),
            Value::List(_) => "as a list".to_owned(),
            Value::Map(_) => "as a map".to_owned(),
        };
        let what = format!("the name `{written}` is read {read}");
        let why = "names are texts: kubectl refuses this one, or calls the field otherwise";
        Self::new(line, what, why, format!("quote it: \"{written}\""))
    }

    pub(super) fn key_is_collection(line: usize) -> Self {
        let what = "a list or a map stands where the name of a field must be";
        Self::unreadable(line, what, "write a name, or quote the whole value")
    }

    pub(super) fn cycle(line: usize) -> Self {
        let what = "an alias (`*name`) stands within what it names";
        Self::unreadable(line, what, "write the value out instead of the alias")
    }

    pub(super) fn too_much(line: usize) -> Self {
        let what = "with its aliases written out the file is too large";
        let mend = "write fewer aliases of aliases, or split the file";
        Self::unreadable(line, what, mend)
    }

    pub(super) fn too_deep(line: usize, most: usize) -> Self {
        let what = format!("values are nested more than {most} levels deep");
        Self::unreadable(line, what, "check the indentation: no object of Kubernetes is so deep")
    }

    pub(super) fn untidy(line: usize) -> Self {
        let what =
            "too many lines within brackets or quotes are indented less than what they belong to";
        Self::unreadable(line, what, "indent them deeper than the field they belong to")
    }

    pub(super) fn template(line: usize) -> Self {
        let what = "template syntax (`{{ … }}`) was left in";
        let mend = "render the templates first (`helm template …`) and check what comes out";
        Self::unreadable(line, what, mend)
    }

    pub(super) fn scalar(line: usize, what: String) -> Self {
        Self::unreadable(line, what, "write it as a plain value, or quote it as text")
    }
}

/// Mebibytes with one digit behind the point.
fn tenths(bytes: usize) -> String {
    let tenths = bytes * 10 / (1 << 20);
    format!("{}.{}", tenths / 10, tenths % 10)
}

fn noun(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a yes or no",
        Value::Number(_) => "a number",
        Value::Text(_) => "a text",
        Value::List(_) => "a list",
        Value::Map(_) => "a map",
    }
}
