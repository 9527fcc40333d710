//! Readable texts and the values they stand for.

use serde_json::{Value as Json, json};

use super::read;
use crate::node::Node;

/// The only document of a text in which nothing is wrong.
fn one(text: &str) -> Node {
    let (mut documents, findings) = read(text);
    assert!(findings.is_empty(), "{text:?}: {findings:?}");
    assert_eq!(documents.len(), 1, "{text:?}: {documents:?}");
    documents.remove(0).root
}

#[track_caller]
fn check(text: &str, expected: &Json) {
    assert_eq!(&one(text).to_json(), expected, "{text:?}");
}

#[test]
fn plain_scalars_mean_what_kubectl_means() {
    for (text, expected) in [
        ("yes", json!(true)),
        ("On", json!(true)),
        ("y", json!(true)),
        ("NO", json!(false)),
        ("off", json!(false)),
        ("n", json!(false)),
        ("yEs", json!("yEs")),
        ("~", json!(null)),
        ("", json!(null)),
        ("Null", json!(null)),
        ("nil", json!("nil")),
        ("12", json!(12)),
        ("+12", json!(12)),
        ("-12", json!(-12)),
        ("0644", json!(420)),
        ("0o644", json!(420)),
        ("0x1F", json!(31)),
        ("-0x1f", json!(-31)),
        ("0b101", json!(5)),
        ("1_000", json!(1000)),
        ("089", json!(89)),
        ("1.5", json!(1.5)),
        ("1.0", json!(1)),
        ("1e3", json!(1000)),
        (".5", json!(0.5)),
        ("18446744073709551615", json!(u64::MAX)),
        ("-9223372036854775808", json!(i64::MIN)),
        ("1e999", json!("1e999")),
        ("0xZZ", json!("0xZZ")),
        ("--1", json!("--1")),
        ("+-1", json!("+-1")),
        ("1.2.3", json!("1.2.3")),
        ("infinity", json!("infinity")),
        ("-", json!([null])),
        ("30s", json!("30s")),
        ("100m", json!("100m")),
        ("50%", json!("50%")),
        ("2026-11-20", json!("2026-11-20")),
        ("10:30", json!("10:30")),
        ("2001:db8::1", json!("2001:db8::1")),
        ("'12'", json!("12")),
        ("\"yes\"", json!("yes")),
        ("!!str 12", json!("12")),
        ("!!int \"12\"", json!(12)),
        ("!!bool \"yes\"", json!(true)),
        ("!!float 3", json!(3)),
        ("!other 12", json!("12")),
        ("! 12", json!("12")),
        ("\"a\\tb\\u00e9\"", json!("a\tbé")),
    ] {
        check(&format!("a:\n  {text}\n"), &json!({ "a": expected }));
    }
}

#[test]
fn blocks_and_brackets_mean_what_kubectl_means() {
    check("a: |\n  x\n  y\n", &json!({ "a": "x\ny\n" }));
    check("a: |-\n  x: {{ y }}\n", &json!({ "a": "x: {{ y }}" }));
    check("a: >\n  x\n  y\n", &json!({ "a": "x y\n" }));
    check("a: {b: [1, two]}\n", &json!({ "a": { "b": [1, "two"] } }));
    check("a: [\n  1,\n  2,\n]\nb: {\n  c: d\n}\n", &json!({ "a": [1, 2], "b": { "c": "d" } }));
    check("a:\n- 1\n- b: 2\n  c: 3\n", &json!({ "a": [1, { "b": 2, "c": 3 }] }));
    check("\u{FEFF}a: 1\r\nb:\r\n  c: 2\r\n", &json!({ "a": 1, "b": { "c": 2 } }));
    check("a: \"{{ $labels.pod }}\"\n", &json!({ "a": "{{ $labels.pod }}" }));
    check("8080: a\ntrue: b\n", &json!({ "8080": "a", "true": "b" }));
    check("a: \t1\nb: 2\t# c\n", &json!({ "a": 1, "b": 2 }));
    check("a: b # c\n# d\n", &json!({ "a": "b" }));
    check("a: \"one\n  two\"\nb: one\n  two\n", &json!({ "a": "one two", "b": "one two" }));
}

#[test]
fn indentation_within_brackets_and_quotes_is_free() {
    check("a:\t1\nb:\tx\n", &json!({ "a": 1, "b": "x" }));
    check(
        "a: {\n\t\"b\": 1,\n\t\"c\": [\n\t\t2\n\t]\n}\nd: 1\n",
        &json!({ "a": { "b": 1, "c": [2] }, "d": 1 }),
    );
    check(
        "a:\n  b: [x,\n  v,\nz\n]\n  c: {\nd: e\n}\n",
        &json!({ "a": { "b": ["x", "v", "z"], "c": { "d": "e" } } }),
    );
    check(
        "a:\n  b: \"x\ny\n\n  z\"\n  c: 'it''s\nwell'\n",
        &json!({ "a": { "b": "x y\nz", "c": "it's well" } }),
    );
}

#[test]
fn anchors_and_merges_are_written_out() {
    check("a: &x {p: 1}\nb: *x\n", &json!({ "a": { "p": 1 }, "b": { "p": 1 } }));
    check("a: &x 1\nb: &x 2\nc: *x\n", &json!({ "a": 1, "b": 2, "c": 2 }));
    check(
        "a: &x {p: 1, q: 2}\nb:\n  <<: *x\n  q: 3\n",
        &json!({ "a": { "p": 1, "q": 2 }, "b": { "p": 1, "q": 3 } }),
    );
    check(
        "a: &x {p: 1}\nb: &y {p: 2, q: 2}\nc:\n  <<: [*x, *y]\n",
        &json!({ "a": { "p": 1 }, "b": { "p": 2, "q": 2 }, "c": { "p": 1, "q": 2 } }),
    );
    check("a: {'<<': 1}\n", &json!({ "a": { "<<": 1 } }));
}

#[test]
fn lines_are_those_of_the_file() {
    let text = "# first\n---\n\na:\n  b:\n    - c: 1\n      d: |\n        x\n\n---\ne: 2\n";
    let (documents, findings) = read(text);
    assert!(findings.is_empty(), "{findings:?}");
    let [first, second] = &documents[..] else { panic!("{documents:?}") };
    assert_eq!((first.number, second.number), (1, 2));
    let b = first.root.at(&["a", "b"]).unwrap();
    assert_eq!((first.root.line, b.line, b.list()[0].line), (4, 6, 6));
    let entries = b.list()[0].entries();
    assert_eq!((entries[1].line, entries[1].node.line), (7, 7));
    assert_eq!((second.root.line, second.root.entries()[0].line), (11, 11));
}

#[test]
fn empty_documents_are_passed_over() {
    for text in ["", "\n", "# only a comment\n", "---\n---\n# a\n---\n", "---\nnull\n", "--- # b\n"]
    {
        let (documents, findings) = read(text);
        assert!(
            documents.is_empty() && findings.is_empty(),
            "{text:?}: {documents:?} {findings:?}"
        );
    }
    let (documents, _) = read("---\n# a\n---\na: 1\n--- # b\n---\nb: 2");
    assert_eq!(documents.iter().map(|document| document.number).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn lists_are_taken_apart() {
    let text = "apiVersion: v1\nkind: List\nitems:\n- kind: A\n  apiVersion: v1\n- kind: List\n  \
                apiVersion: v1\n  items:\n  - kind: B\n    apiVersion: v1\n";
    let (documents, findings) = read(text);
    assert!(findings.is_empty(), "{findings:?}");
    let seen: Vec<_> =
        documents.iter().map(|each| (each.kind(), each.number, each.root.line)).collect();
    assert_eq!(seen, [("A", 1, 4), ("B", 1, 9)]);

    let text = "apiVersion: apps/v1\nkind: DeploymentList\nitems:\n- metadata: {name: a}\n";
    let (documents, _) = read(text);
    assert_eq!((documents[0].api_version(), documents[0].kind()), ("apps/v1", "Deployment"));
    assert_eq!(documents[0].root.entries()[0].line, 4);
}

#[test]
fn json_is_read_as_json() {
    let text = "{\n\t\"a\": \"\\ud83d\\ude00 \\/ {{ x }}\",\n\t\"b\": [1, 2.0, -3.5, true, null],\n\t\
                \"c\": {\n\t\t\"d\": \"x\"\n\t}\n}\n";
    let root = one(text);
    assert_eq!(
        root.to_json(),
        json!({ "a": "😀 / {{ x }}", "b": [1, 2, -3.5, true, null], "c": { "d": "x" } })
    );
    assert_eq!(root.at(&["c", "d"]).unwrap().line, 5);

    let (documents, findings) = read("{\"a\": 1}\n{\"b\":\n 2}\n---\nc: 3\n");
    assert!(findings.is_empty(), "{findings:?}");
    let lines: Vec<_> =
        documents.iter().map(|each| (each.root.line, each.root.entries()[0].node.line)).collect();
    assert_eq!(lines, [(1, 1), (2, 3), (5, 5)]);
}
