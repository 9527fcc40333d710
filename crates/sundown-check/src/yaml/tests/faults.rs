//! Texts that nobody should write, each with its line.

use super::read;
use crate::finding::{Rule, Severity};

/// A text has one fault: on this line, said with these words.
#[track_caller]
fn check(text: &str, line: usize, words: &str) {
    let (documents, findings) = read(text);
    let [finding] = &findings[..] else { panic!("{text:?}: {documents:?} {findings:?}") };
    assert_eq!((finding.rule, finding.place.line), (Rule::Yaml, line), "{text:?}: {finding:?}");
    let said = format!("{} {} {}", finding.what, finding.why, finding.mend);
    assert!(said.contains(words), "{text:?}: {finding:?}");
    assert!(!finding.what.is_empty() && !finding.why.is_empty() && !finding.mend.is_empty());
}

#[test]
fn broken_syntax_is_named_by_its_line() {
    for (text, line, words) in [
        ("a: 1\nb: c: d\n", 2, "a `:`"),
        ("a:\n  b: 1\n c: 2\n", 3, "indent"),
        ("a: [1, 2\nb: 3\n", 2, "bracket"),
        ("a:\n  b: [1, 2\n", 2, "`[`"),
        ("a: [}\n", 1, "bracket"),
        ("a: -\n", 1, "no list can begin"),
        ("%YAML 1.1\n---\n", 1, "directive"),
        ("a: {b: 1\nc\n", 2, "`{`"),
        ("a: \"open\n\n", 1, "never closed"),
        ("a: 'b' c\n", 1, "closing quote"),
        ("a: \"\\q\"\n", 1, "escape"),
        ("a: 1\nb\nc: 2\n", 3, "name: value"),
        ("a: @x\n", 1, "cannot begin"),
        ("a: 1\n- b\n", 2, "map"),
        ("- a\nb: 1\n", 2, "list"),
        ("a:\n\tb: 1\n", 2, "tab"),
        ("a:\n  b: 1\n\tc: 2\n", 3, "tab"),
        ("a: *gone\n", 1, "`*gone`"),
        ("a: &x [1, *x]\n", 1, "within what it names"),
        ("a: .inf\n", 1, "no number of JSON"),
        ("a: !!int x\n", 1, "!!int"),
        ("a: !!binary eA==\n", 1, "!!binary"),
        ("a: {<<: 1}\n", 1, "merges something"),
        ("? [a]\n: 1\n", 1, "where the name"),
    ] {
        check(text, line, words);
    }
}

#[test]
fn readable_faults_are_named_by_their_line() {
    for (text, line, words) in [
        ("a: 1\nb: 2\na: 3\n", 3, "first on line 1"),
        ("{\n \"a\": 1,\n \"a\": 2}", 3, "first on line 2"),
        ("on: 1\n", 1, "`true`"),
        ("0644: 1\n", 1, "`420`"),
        ("~: 1\n", 1, "nothing"),
        ("a: 1\n...\nb: 2\n", 3, "reads only the first"),
        ("x: &x {p: 1}\na:\n  p: 2\n  <<: *x\n", 4, "put `<<` before"),
    ] {
        check(text, line, words);
        let (documents, _) = read(text);
        assert_eq!(documents.len(), 1, "{text:?} is read none the less");
    }
}

#[test]
fn the_last_of_two_values_counts() {
    let (documents, _) = read("a: 1\nb: 2\na: 3\n");
    assert_eq!(documents[0].root.get("a").unwrap().integer(), Some(3));
}

#[test]
fn a_document_must_be_an_object() {
    check("- a\n- b\n", 1, "a list");
    check("\njust text\n", 2, "a text");
    check("a: 1\n--- b\n", 2, "alone on its line");
    check("-----BEGIN\n", 1, "alone on its line");
    check("apiVersion: v1\nkind: List\nitems:\n- 1\n", 4, "a number");
}

#[test]
fn templates_are_to_be_rendered_first() {
    for (text, line) in [
        ("a: 1\nb: {{ .Values.b }}\n", 2),
        ("{{- if .Values.x }}\na: 1\n{{- end }}\n", 1),
        ("a: {{ .Values.a }}-x\nb: 1\n", 1),
        ("a:\n  {{- toYaml .Values.a | nindent 2 }}\n", 2),
        ("a:\n  - {{ .Values.a }}\n", 2),
    ] {
        check(text, line, "helm template");
    }
}

#[test]
fn what_stands_around_a_broken_document_is_read() {
    let (documents, findings) = read("a: 1\n---\nb: [\n---\nc: 3\n---\nd: :d: d\n---\ne: 5\n");
    let read: Vec<_> = documents.iter().map(|each| (each.number, each.root.line)).collect();
    assert_eq!(read, [(1, 1), (3, 5), (5, 9)]);
    let broken: Vec<_> = findings.iter().map(|each| each.place.document).collect();
    assert_eq!(broken, [2, 4]);
}

#[test]
fn other_encodings_are_named() {
    for (bytes, line, words) in [
        (&b"a: 1\nb: \xE9\n"[..], 2, "0xE9"),
        (b"\xFF\xFEa\0", 1, "UTF-16"),
        (b"\xFE\xFF\0a", 1, "UTF-16"),
        (b"a: 1\n\0", 2, "U+0000"),
        (b"a: 1\nb: \x07", 2, "U+0007"),
    ] {
        let (documents, findings) = crate::yaml::read("a.yaml", bytes);
        assert!(documents.is_empty());
        assert_eq!((findings.len(), findings[0].place.line), (1, line), "{findings:?}");
        assert!(findings[0].what.contains(words), "{findings:?}");
    }
}

#[test]
fn bombs_and_pits_are_refused() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let last = level - 1;
        let aliases = vec![format!("*a{last}"); 10].join(", ");
        bomb += &format!("a{level}: &a{level} [{aliases}]\n");
    }
    check(&bomb, 6, "too large");
    check(&format!("a: {}", "[".repeat(200)), 1, "nested");
    check(&format!("a:\n{}", "- ".repeat(100_000)), 2, "nested");
    let deep: String = (0..150).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    check(&deep, 101, "nested");
    let mut chain = "a0: &a0 [1]\n".to_owned();
    for level in 1..150 {
        chain += &format!("a{level}: &a{level} [*a{}]\n", level - 1);
    }
    check(&chain, 100, "nested");
    let text = "x".repeat(1 << 20);
    check(&format!("a: &a {text}\nb: [{}]\n", vec!["*a"; 100].join(", ")), 2, "too large");
}

#[test]
fn a_large_document_is_refused_at_once() {
    let started = std::time::Instant::now();
    let large = "a: 1\n".repeat(2 << 20);
    check(&large, 1, "10.0 MiB, the limit is 4 MiB");
    let json = format!("{{\"a\": \"{}\"}}", "x".repeat(5 << 20));
    check(&json, 1, "5.0 MiB");
    assert!(started.elapsed().as_secs() < 5);
    let (documents, findings) = read(&format!("a: 1\n---\n{large}---\nc: 3\n"));
    assert_eq!(documents.iter().map(|each| each.number).collect::<Vec<_>>(), [1, 3]);
    let place = &findings[0].place;
    assert_eq!((findings.len(), place.document, place.line), (1, 2, 3), "{findings:?}");
}

#[test]
fn a_large_file_of_many_documents_is_read() {
    let text = "x".repeat(1 << 20);
    let (documents, findings) = read(&format!("a: {text}\n---\n").repeat(10));
    assert_eq!((documents.len(), findings.len()), (10, 0), "{findings:?}");
    let json = format!("{{\"a\": \"{text}\"}}\n").repeat(10);
    let (documents, findings) = read(&json);
    assert_eq!((documents.len(), findings.len()), (10, 0), "{findings:?}");
    let item = format!("- a: {text}\n");
    let (documents, findings) = read(&format!("kind: List\nitems:\n{}", item.repeat(10)));
    assert_eq!((documents.len(), findings.len()), (10, 0), "{findings:?}");
    check(&format!("a: {text}\n---\n").repeat(65), 1, "more than 64 MiB");
}

#[test]
fn faults_are_counted_and_end() {
    let (documents, findings) = read(&"a: [\n---\n".repeat(400));
    assert_eq!((documents.len(), findings.len()), (0, 51));
    assert!(findings.iter().all(|finding| finding.severity == Severity::Error));
    assert!(findings[50].what.contains("not read"), "{:?}", findings[50]);
}

/// Each document alone is read after a hundred tries; fifty of them share what a file may cost.
#[test]
fn crooked_documents_share_one_budget() {
    let fields: String = (0..100).map(|index| format!("k{index}: [\n1\n]\n")).collect();
    let crooked = format!("a:\n{}", fields.replace('k', "  k"));
    let (alone, findings) = read(&crooked);
    assert_eq!((alone.len(), findings.len()), (1, 0), "{findings:?}");
    let (read, findings) = read(&vec![crooked.as_str(); 50].join("---\n"));
    assert!(!read.is_empty() && read.len() < 10, "{}", read.len());
    assert!(findings[0].what.contains("too many lines within brackets"), "{findings:?}");
}
