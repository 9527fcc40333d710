//! The books by the table: no disk and no clock.

use super::*;

const AGE: Duration = Duration::from_secs(10);

fn found(entry: &str, bytes: u64, stamp: &str) -> Found {
    Found { entry: entry.into(), bytes, stamp: stamp.to_owned() }
}

/// At a second: the entries that are there with their stamps, and those expected to be abandoned.
type Stock<'a> = (u64, &'a [(&'a str, &'a str)], &'a [&'a str]);

/// Takes stock at these seconds with what was found, and expects these to be abandoned then.
fn check(ledger: &mut Ledger, start: Instant, script: &[Stock<'_>]) {
    for (at, there, expected) in script {
        let there = there.iter().map(|(entry, stamp)| found(entry, 1, stamp)).collect();
        let now = start + Duration::from_secs(*at);
        let mut abandoned = ledger.take_stock(there, now, AGE);
        abandoned.sort();
        assert_eq!(abandoned, *expected, "at {at} s");
    }
}

#[test]
fn what_has_a_handle_is_never_abandoned_however_old() {
    let start = Instant::now();
    let mut ledger = Ledger::new(None);
    assert!(ledger.hold("a".into(), "a".to_owned(), start));
    ledger.hold("b".into(), "b".to_owned(), start);
    ledger.hold_for_life("b".as_ref());
    let there: &[_] = &[("a", "0"), ("b", "0")];
    check(&mut ledger, start, &[(0, there, &[]), (10_000, there, &[]), (20_000, there, &[])]);
}

#[test]
fn what_was_left_is_abandoned_when_it_has_not_changed_for_the_age() {
    let start = Instant::now();
    let mut ledger = Ledger::new(None);
    ledger.hold("a".into(), "a".to_owned(), start);
    ledger.leave("a".as_ref(), start);
    check(
        &mut ledger,
        start,
        &[
            (1, &[("a", "0")], &[]),
            (9, &[("a", "1")], &[]), // somebody writes to it
            (12, &[("a", "1")], &[]),
            (18, &[("a", "1")], &[]),
            (19, &[("a", "1")], &["a"]),
        ],
    );
}

#[test]
fn what_nobody_knows_is_abandoned_the_age_after_it_was_first_seen() {
    let start = Instant::now();
    let mut ledger = Ledger::new(None);
    let there: &[_] = &[("stray", "0")];
    check(&mut ledger, start, &[(5, there, &[]), (14, there, &[]), (15, there, &["stray"])]);
    assert_eq!(ledger.used(), 1);
    check(&mut ledger, start, &[(16, &[], &[])]);
    assert_eq!(ledger.used(), 0, "what is gone is forgotten");
}

#[test]
fn the_quota_counts_what_was_written_or_measured_whichever_is_more() {
    let start = Instant::now();
    let mut ledger = Ledger::new(Some(100));
    ledger.hold("a".into(), "upload".to_owned(), start);
    ledger.grow("a".as_ref(), 60).unwrap();
    let refused = ledger.grow("a".as_ref(), 41).unwrap_err();
    let expected = QuotaExceeded { name: "upload".to_owned(), wanted: 41, used: 60, limit: 100 };
    assert_eq!(refused, expected);
    assert!(refused.to_string().contains("60 of 100 bytes"), "{refused}");
    ledger.grow("a".as_ref(), 40).unwrap();
    ledger.shrink("a".as_ref(), 70);
    assert_eq!(ledger.used(), 30);

    ledger.take_stock(vec![found("a", 90, "")], start, AGE);
    assert_eq!(ledger.used(), 90, "another program wrote to it");
    ledger.grow("a".as_ref(), 60).unwrap();
    assert_eq!(ledger.used(), 90, "which this may have been part of");
    assert!(ledger.grow("a".as_ref(), 11).is_err());
    ledger.forget("a".as_ref());
    assert_eq!(ledger.used(), 0);
}

#[test]
fn over_the_quota_already_nothing_grows_but_nothing_else_is_refused() {
    let start = Instant::now();
    let mut ledger = Ledger::new(Some(10));
    ledger.hold("a".into(), "a".to_owned(), start);
    ledger.take_stock(vec![found("a", 50, "")], start, AGE);
    ledger.hold("b".into(), "b".to_owned(), start);
    assert!(ledger.grow("b".as_ref(), 1).is_err());
    ledger.grow("b".as_ref(), 0).unwrap();
    ledger.grow("a".as_ref(), 20).unwrap();
}

#[test]
fn those_in_use_are_named_oldest_first_and_those_held_for_life_are_not_missed() {
    let start = Instant::now();
    let mut ledger = Ledger::new(None);
    ledger.hold("2".into(), "young".to_owned(), start + AGE);
    ledger.hold("1".into(), "old".to_owned(), start);
    ledger.hold("3".into(), "cache".to_owned(), start);
    ledger.hold_for_life("3".as_ref());
    ledger.hold("4".into(), "left".to_owned(), start);
    ledger.leave("4".as_ref(), start);
    let names = |list: Vec<InUse>| list.into_iter().map(|file| file.name).collect::<Vec<_>>();
    assert_eq!(names(ledger.in_use(start + 2 * AGE)), ["cache", "old", "young"]);
    assert_eq!(names(ledger.missed(start + 2 * AGE)), ["old", "young"]);
    assert_eq!(ledger.in_use(start + 2 * AGE)[2].age, AGE);

    ledger.close();
    assert!(!ledger.hold("5".into(), "late".to_owned(), start));
    assert_eq!(ledger.in_use(start).len(), 3);
}
