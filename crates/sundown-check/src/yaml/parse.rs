//! One document of YAML, event by event.

use std::borrow::Cow;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Tag};

use super::build::{Budget, Builder};
use super::refusal::Refusal;
use super::split::Chunk;
use super::{lenient, scalar, too_large};
use crate::node::{Node, Value};

/// What a document came to.
pub(super) struct Parsed {
    /// Its root; none if there is nothing but comments and null.
    pub(super) root: Result<Option<Node>, Box<Refusal>>,
    /// What is wrong with it although it can be read.
    pub(super) flaws: Vec<Refusal>,
}

/// Reads the document of a stretch of text.
pub(super) fn parse(chunk: &Chunk<'_>, budget: &mut Budget) -> Parsed {
    if chunk.crowded {
        let refusal = Box::new(Refusal::crowded(chunk.first));
        return Parsed { root: Err(refusal), flaws: Vec::new() };
    }
    if let Some(refusal) = too_large(chunk.text, chunk.first) {
        return Parsed { root: Err(Box::new(refusal)), flaws: Vec::new() };
    }
    let mut text = Cow::Borrowed(chunk.text);
    loop {
        let before = budget.aliases;
        let mut builder = Builder::new(budget);
        let rewritten = match events(chunk, &text, &mut builder) {
            Ok(stray) => return done(builder, stray),
            Err(Stop::Syntax(error)) => {
                lenient::relax(&text, &error).ok_or_else(|| reword(chunk, &error))
            }
            Err(Stop::Refused(refusal)) => Err(*refusal),
        };
        match rewritten {
            Ok(relaxed) => text = relaxed.into(),
            Err(refusal) => return refused(chunk, refusal),
        }
        budget.aliases = before;
        if budget.rewrite(text.len()).is_none() {
            return refused(chunk, Refusal::untidy(chunk.first));
        }
    }
}

fn done(builder: Builder<'_>, stray: Option<usize>) -> Parsed {
    let (root, mut flaws) = builder.finish();
    flaws.extend(stray.map(Refusal::dropped));
    Parsed { root: Ok(root.filter(|node| node.value != Value::Null)), flaws }
}

fn refused(chunk: &Chunk<'_>, refusal: Refusal) -> Parsed {
    let refusal = template(chunk, refusal.line).unwrap_or(refusal);
    Parsed { root: Err(Box::new(refusal)), flaws: Vec::new() }
}

/// Why a document is not read to its end.
enum Stop {
    Syntax(ScanError),
    Refused(Box<Refusal>),
}

impl From<Box<Refusal>> for Stop {
    fn from(refusal: Box<Refusal>) -> Self {
        Self::Refused(refusal)
    }
}

/// Builds the first document; returns the line on which another begins.
fn events(chunk: &Chunk<'_>, text: &str, builder: &mut Builder<'_>) -> Result<Option<usize>, Stop> {
    let mut ended = false;
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(Stop::Syntax)?;
        let line = chunk.first + span.start.line().saturating_sub(1);
        match event {
            Event::Alias(anchor) => builder.alias(line, anchor)?,
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain;
                let block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
                // The parser counts a block from its first line, not from its `|`.
                let line = if block { builder.header(line, chunk.first) } else { line };
                let tag = tag.as_deref().map(full);
                let merge = plain && text == "<<" && tag.is_none();
                let value = scalar::resolve(&text, plain, tag.as_deref())
                    .map_err(|what| Box::new(Refusal::scalar(line, what)))?;
                builder.scalar(line, anchor, &text, merge, value)?;
            }
            Event::SequenceStart(anchor, _) => builder.open_list(line, anchor)?,
            Event::MappingStart(anchor, _) => builder.open_map(line, anchor)?,
            Event::SequenceEnd | Event::MappingEnd => builder.close()?,
            Event::DocumentStart(_) if ended => return Ok(Some(line)),
            Event::DocumentEnd => ended = true,
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) => {}
        }
    }
    Ok(None)
}

fn full(tag: &Tag) -> String {
    format!("{}{}", tag.handle, tag.suffix)
}

/// What template syntax was left in a document that cannot be read, up to the line that broke it.
fn template(chunk: &Chunk<'_>, broken: usize) -> Option<Refusal> {
    let bare = |line: &str| {
        let line = line.trim_start();
        let line = line.trim_start_matches("- ");
        line.starts_with("{{") || line.contains(": {{") || line.contains("- {{")
    };
    let lines = chunk.text.lines().zip(chunk.first..);
    let mut lines = lines.take_while(|(_, number)| *number <= broken);
    let found = lines.find(|(line, _)| bare(line)).map(|(_, number)| number);
    let found = found.or_else(|| chunk.line(broken).contains("{{").then_some(broken));
    found.map(Refusal::template)
}

/// The parser's complaint in the words of whoever writes manifests.
fn reword(chunk: &Chunk<'_>, error: &ScanError) -> Refusal {
    let last = chunk.first + chunk.text.lines().count().saturating_sub(1);
    let line = (chunk.first + error.marker().line().saturating_sub(1)).min(last);
    let text = chunk.line(line);
    let info = error.info();
    if let Some(line) = tab_indented(chunk, line, info) {
        let mend = "indent by spaces: YAML allows no tabs there";
        return Refusal::unreadable(line, "the line is indented by a tab", mend);
    }
    if info.contains("unknown anchor") {
        let name: String = text.chars().skip(error.marker().col()).skip(1).collect();
        let name = name.split([' ', ',', ']', '}']).next().unwrap_or_default();
        let what = format!("the alias `*{name}` has no anchor `&{name}` before it");
        let mend = "anchors hold only within their document, up to the next `---`; quote the \
                    value if it is a text that begins with `*`";
        return Refusal::unreadable(line, what, mend);
    }
    let (what, mend) = KNOWN.iter().find(|(part, ..)| info.contains(part)).map_or(
        ("", "check the indentation, quotes and brackets of this line"),
        |(_, what, mend)| (*what, *mend),
    );
    let what = if what.is_empty() { format!("no YAML: {info}") } else { what.to_owned() };
    Refusal::unreadable(line, what, mend)
}

/// The line at fault, or the one behind it, if its indentation has a tab.
fn tab_indented(chunk: &Chunk<'_>, line: usize, info: &str) -> Option<usize> {
    let near = if info.contains("tab") { line..=line + 1 } else { line..=line };
    near.into_iter().find(|line| {
        let text = chunk.line(*line);
        let indentation = &text[..text.len() - text.trim_start().len()];
        indentation.contains('\t') && text.len() > indentation.len()
    })
}

/// Parts of complaints, what they mean, and the mend; the first that fits counts.
const KNOWN: &[(&str, &str, &str)] = &[
    (
        "mapping values are not allowed",
        "a `:` makes this the name of a field, where none can begin",
        "check the indentation, and quote texts that have `: ` in them",
    ),
    (
        "quoted scalar, found unexpected end",
        "a quote is opened and never closed",
        "close the quote",
    ),
    ("quoted scalar, found unknown escape", "no such escape in double quotes", "use single quotes"),
    (
        "after double-quoted",
        "something stands behind the closing quote",
        "quote the whole value, or none of it",
    ),
    (
        "simple key expect",
        "the line is no `name: value`, or is indented otherwise than its neighbours",
        "put a `:` and a blank behind the name, and indent it like its neighbours",
    ),
    (
        "did not find expected key",
        "the line does not fit the map around it",
        "indent it like the fields it belongs to",
    ),
    (
        "expected '-' indicator",
        "the line does not fit the list around it",
        "begin it with `- `, or indent it otherwise",
    ),
    (
        "illegal placement of ':'",
        "a `:` stands where none can, or the bracket before it is not closed",
        "close the bracket, or quote the text",
    ),
    ("flow sequence", "a `[` is not closed, or a comma is missing", "close it with `]`"),
    ("flow mapping", "a `{` is not closed, or a comma is missing", "close it with `}`"),
    ("misplaced bracket", "a bracket closes what is not open", "remove it, or quote the text"),
    ("block scalar", "the text block is not indented as it must be", "indent all its lines alike"),
    (
        "expected node content",
        "a value is missing, or a bracket closes too early",
        "write the value, and check the brackets",
    ),
    (
        "block sequence entries are not allowed",
        "a `- ` stands where no list can begin",
        "begin the list on a line of its own, or quote the text",
    ),
    (
        "<document start>",
        "a directive (`%…`) stands before the document",
        "remove it: kubectl reads none",
    ),
    ("handle wasn't declared", "the tag is not declared", "remove the tag"),
    ("recursion limit", "brackets are nested too deep", "check the brackets"),
    ("invalid indentation", "the indentation fits nothing above", "indent it like its neighbours"),
    ("unexpected character", "a value cannot begin with this character", "quote the value: \"…\""),
];
