//! Which metrics an expression of `PromQL` asks for: the identifiers that are neither functions nor words
//! of the language nor labels; and by which values of labels it selects them.

use std::collections::BTreeSet;

/// Behind these stands a list of labels.
const BEFORE_LABELS: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];
const WORDS: [&str; 10] =
    ["and", "or", "unless", "bool", "offset", "atan2", "inf", "nan", "start", "end"];

/// The metrics that this expression asks for.
pub(crate) fn metrics(expression: &str) -> BTreeSet<String> {
    let text = without_selectors(expression);
    let mut found = BTreeSet::new();
    let mut rest = text.as_str();
    while let Some(at) = rest.find(|c: char| is_inside(c) || c == '$') {
        let word_and_rest = &rest[at..];
        let end =
            word_and_rest[1..].find(|c| !is_inside(c)).map_or(word_and_rest.len(), |at| at + 1);
        let (word, behind) = word_and_rest.split_at(end);
        rest = behind;
        if BEFORE_LABELS.contains(&word) {
            let list = behind.trim_start();
            rest = list
                .strip_prefix('(')
                .and_then(|list| list.split_once(')'))
                .map_or(list, |(_, it)| it);
            continue;
        }
        let next = behind.trim_start();
        // An aggregation may say what it goes by before what it is of.
        let is_function = next.starts_with('(')
            || ["by", "without"].contains(&next.split(|c| !is_inside(c)).next().unwrap_or(""));
        let begins_as_a_name =
            word.starts_with(|c: char| c.is_ascii_alphabetic() || "_:".contains(c));
        if begins_as_a_name && !is_function && !WORDS.contains(&word.to_lowercase().as_str()) {
            found.insert(word.to_owned());
        }
    }
    found
}

/// The metric of a variable of a dashboard, `label_values(metric{…}, label)`.
pub(crate) fn metrics_of_variable(query: &str) -> BTreeSet<String> {
    let inside = query.strip_prefix("label_values(").and_then(|query| query.rsplit_once(','));
    metrics(inside.map_or(query, |(metric, _)| metric))
}

/// A value of a label by which a metric is selected.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Selection {
    pub(crate) metric: String,
    pub(crate) label: String,
    pub(crate) value: String,
}

/// What this expression selects by, each alternative of a pattern by itself. Variables of a dashboard are
/// whatever somebody chooses, and are left out.
pub(crate) fn selections(expression: &str) -> BTreeSet<Selection> {
    let mut found = BTreeSet::new();
    let mut rest = expression;
    while let Some((before, inside)) = rest.split_once('{') {
        let metric = before.rsplit(|c| !is_inside(c)).next().unwrap_or_default();
        rest = inside;
        // A label, a comparison, a value in quotes; a comma, or the end.
        while let Some((label, behind)) = rest.split_once(['=', '!']) {
            let quoted = behind.trim_start_matches(['=', '~', ' ']);
            let Some(quote) = quoted.chars().next() else { break };
            let Some((values, after)) = quoted[1..].split_once(quote) else { break };
            for value in values.split('|').filter(|value| !value.contains('$')) {
                let [metric, label, value] = [metric, label.trim(), value].map(str::to_owned);
                found.insert(Selection { metric, label, value });
            }
            let Some(next) = after.trim_start().strip_prefix(',') else {
                rest = after;
                break;
            };
            rest = next;
        }
    }
    found
}

fn is_inside(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '.')
}

/// The expression without what stands in braces, brackets and quotes.
fn without_selectors(expression: &str) -> String {
    let mut kept = String::new();
    let mut closing: Option<char> = None;
    let mut quote: Option<char> = None;
    let mut characters = expression.chars();
    while let Some(c) = characters.next() {
        match (quote, closing) {
            (Some(open), _) if c == '\\' && open != '`' => drop(characters.next()),
            (Some(open), _) if c == open => quote = None,
            (Some(_), _) => {}
            (None, _) if matches!(c, '"' | '\'' | '`') => quote = Some(c),
            (None, Some(end)) if c == end => closing = None,
            (None, Some(_)) => {}
            (None, None) if c == '{' => closing = Some('}'),
            (None, None) if c == '[' => closing = Some(']'),
            (None, None) => kept.push(c),
        }
    }
    kept
}

#[test]
fn metrics_are_told_from_functions_labels_and_words() {
    for (expression, expected) in [
        ("up", "up"),
        ("up{job=\"a{b}c\", x=~\"y|z\"} == 0", "up"),
        ("sum by (namespace, le) (rate(a_bucket[5m]))", "a_bucket"),
        ("sum(rate(a:b_total[$__rate_interval])) without (pod) > 0.8 * 16.75", "a:b_total"),
        ("a unless on (x) b offset 15m or c", "a b c"),
        ("max_over_time(a[1h:5m] offset 1d) > bool 1e3", "a"),
        ("a / ignoring(x) group_left(y, z) b", "a b"),
        ("histogram_quantile(0.99, sum by(le)(a_bucket{phase='drain'}))", "a_bucket"),
        ("label_replace(a, \"b\", \"$1\", \"c\", \"(d)\")", "a"),
        ("a{x=\"it's \\\"b\\\"\"} + b", "a b"),
        ("$value + inf - NaN", ""),
    ] {
        let found: Vec<_> = metrics(expression).into_iter().collect();
        assert_eq!(found.join(" "), expected, "{expression}");
    }
    let found = metrics_of_variable("label_values(a{x=~\"$x\"}, pod)");
    assert_eq!(found.into_iter().collect::<Vec<_>>(), ["a"]);
}

#[test]
fn values_of_labels_are_told_from_variables_and_patterns_are_taken_apart() {
    for (expression, expected) in [
        ("up", ""),
        (
            "rate(a{x=\"y\", z=~'u|v'}[5m]) + b_total{ w != \"{}\" }",
            "a.x.y a.z.u a.z.v b_total.w.{}",
        ),
        (
            "a{pod=~\"$pod\", state!~\"x|y\"} > 0 and on (pod) c{d=\"e\"}",
            "a.state.x a.state.y c.d.e",
        ),
    ] {
        let found = selections(expression);
        let found = found.iter().map(|it| format!("{}.{}.{}", it.metric, it.label, it.value));
        assert_eq!(found.collect::<Vec<_>>().join(" "), expected, "{expression}");
    }
}
