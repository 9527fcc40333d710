//! A strict reader of Prometheus' text format 0.0.4: whatever is not allowed, panics.

use std::collections::{BTreeMap, BTreeSet};

/// What one scrape said.
#[derive(Debug)]
pub(crate) struct Exposition {
    pub(crate) families: BTreeMap<String, Family>,
}

#[derive(Debug, Default)]
pub(crate) struct Family {
    pub(crate) help: Option<String>,
    pub(crate) kind: String,
    samples: Vec<Sample>,
}

#[derive(Debug, Clone, PartialEq)]
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

impl Exposition {
    pub(crate) fn parse(text: &str) -> Self {
        assert!(text.ends_with('\n'), "the last line must end with a line feed");
        let mut families: BTreeMap<String, Family> = BTreeMap::new();
        let mut current = String::new();
        for line in text.lines().filter(|line| !line.is_empty()) {
            if let Some(comment) = line.strip_prefix("# ") {
                let (keyword, rest) = comment.split_once(' ').unwrap();
                let (name, rest) = rest.split_once(' ').unwrap();
                assert!(is_name(name, true), "{line}");
                if name != current {
                    assert!(!families.contains_key(name), "{name} is not in one group");
                    name.clone_into(&mut current);
                }
                let family = families.entry(current.clone()).or_default();
                assert!(family.samples.is_empty(), "{line} comes after its samples");
                match keyword {
                    "HELP" => assert!(family.help.replace(unescape(rest, false)).is_none()),
                    "TYPE" => {
                        assert!(["counter", "gauge", "histogram", "summary"].contains(&rest));
                        assert!(family.kind.is_empty(), "two TYPE lines for {name}");
                        rest.clone_into(&mut family.kind);
                    }
                    _ => panic!("{line}"),
                }
            } else {
                let sample = Sample::parse(line);
                let family = families.get_mut(&current).expect("TYPE comes first");
                assert!(!family.kind.is_empty(), "{line} has no TYPE");
                let suffixes: &[&str] = match family.kind.as_str() {
                    "histogram" => &["_bucket", "_sum", "_count"],
                    "summary" => &["", "_sum", "_count"],
                    _ => &[""],
                };
                let belongs = |suffix: &&str| sample.name == format!("{current}{suffix}");
                assert!(suffixes.iter().any(belongs), "{line} is in the group of {current}");
                family.samples.push(sample);
            }
        }
        for (name, family) in &families {
            family.check(name);
        }
        Exposition { families }
    }

    /// The value of a series without labels, which must be there.
    pub(crate) fn value(&self, name: &str) -> f64 {
        self.labelled(name, &[])
    }

    /// The value of a series with exactly these labels.
    pub(crate) fn labelled(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let labels: BTreeMap<_, _> =
            labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let samples = self.families.values().flat_map(|family| &family.samples);
        let found: Vec<_> = samples.filter(|s| s.name == name && s.labels == labels).collect();
        assert_eq!(found.len(), 1, "{name}{labels:?} in {self:#?}");
        found[0].value
    }
}

impl Family {
    fn check(&self, name: &str) {
        let mut seen = BTreeSet::new();
        for sample in &self.samples {
            let series = format!("{}{:?}", sample.name, sample.labels);
            assert!(seen.insert(series), "{name} has a series twice: {sample:?}");
            assert!(self.kind != "counter" || sample.value >= 0.0, "{sample:?}");
        }
        if self.kind == "histogram" {
            self.check_histogram(name);
        }
    }

    /// Buckets rise, in their bounds and in their counts, to `+Inf`, which is the count.
    fn check_histogram(&self, name: &str) {
        let mut series: BTreeMap<BTreeMap<String, String>, Vec<(f64, f64)>> = BTreeMap::new();
        let buckets = self.samples.iter().filter(|sample| sample.name.ends_with("_bucket"));
        for sample in buckets {
            let mut labels = sample.labels.clone();
            let bound = number(&labels.remove("le").expect("a bucket has `le`"));
            series.entry(labels).or_default().push((bound, sample.value));
        }
        assert!(!series.is_empty(), "{name} has no buckets");
        for (labels, buckets) in series {
            assert!(buckets.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1), "{name}: {buckets:?}");
            let (bound, count) = *buckets.last().unwrap();
            assert_eq!(bound, f64::INFINITY, "{name} ends with +Inf");
            let of = |suffix: &str| {
                let name = format!("{name}{suffix}");
                self.samples.iter().find(|s| s.name == name && s.labels == labels).unwrap().value
            };
            assert_eq!(of("_count"), count, "{name}");
            assert!(of("_sum") >= 0.0);
        }
    }
}

impl Sample {
    fn parse(line: &str) -> Self {
        let name_ends = line.find(['{', ' ']).unwrap();
        let (name, mut rest) = line.split_at(name_ends);
        assert!(is_name(name, true), "{line}");
        let mut labels = BTreeMap::new();
        if let Some(inside) = rest.strip_prefix('{') {
            rest = inside;
            while !rest.starts_with('}') {
                let (key, after) = rest.split_once("=\"").unwrap();
                assert!(is_name(key, false), "{line}");
                let end = closing_quote(after);
                let value = unescape(&after[..end], true);
                assert!(labels.insert(key.to_owned(), value).is_none(), "{line}");
                rest = &after[end + 1..];
                rest = rest.strip_prefix(',').unwrap_or(rest);
            }
            rest = &rest[1..];
        }
        let value = rest.strip_prefix(' ').expect("a space before the value");
        Sample { name: name.to_owned(), labels, value: number(value) }
    }
}

fn closing_quote(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            '"' if !escaped => return at,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    panic!("a label value that never ends: {text}")
}

fn unescape(text: &str, is_label: bool) -> String {
    let mut plain = String::new();
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        plain.push(match c {
            '\\' => match characters.next() {
                Some('\\') => '\\',
                Some('n') => '\n',
                Some('"') if is_label => '"',
                other => panic!("`\\{other:?}` in {text}"),
            },
            c => c,
        });
    }
    plain
}

fn is_name(name: &str, may_have_colons: bool) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || (c == ':' && may_have_colons);
    name.chars().all(allowed) && name.chars().next().is_some_and(|first| !first.is_ascii_digit())
}

fn number(text: &str) -> f64 {
    match text {
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        "NaN" => f64::NAN,
        text => {
            assert!(text.chars().all(|c| c.is_ascii_digit() || "+-.e".contains(c)), "{text}");
            text.parse().unwrap()
        }
    }
}

#[test]
#[should_panic(expected = "is not in one group")]
fn the_reader_refuses_a_family_in_two_groups() {
    Exposition::parse("# TYPE a gauge\na 1\n# TYPE b gauge\nb 1\n# TYPE a gauge\na{x=\"1\"} 2\n");
}

#[test]
#[should_panic(expected = "ends with +Inf")]
fn the_reader_refuses_a_histogram_without_its_last_bucket() {
    Exposition::parse("# TYPE a histogram\na_bucket{le=\"1\"} 1\na_sum 1\na_count 1\n");
}
