//! Times for people: when a task is to begin, how long ago something was, how long it took.

use std::time::Duration;

use jiff::civil::{DateTime, Time as TimeOfDay};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use crate::config::{Time, Value as _};

/// Now, as this machine's clock has it.
pub(super) fn now() -> Zoned {
    Zoned::now()
}

/// `--in 5m`: so long from now.
pub(super) fn after(text: &str, now: &Zoned) -> Result<Timestamp, String> {
    let Time(wait) =
        Time::parse(text).map_err(|_| format!("--in takes {}, not `{text}`", Time::wanted()))?;
    now.timestamp().checked_add(wait).map_err(|error| format!("--in {text}: {error}"))
}

/// `--at TIME`: an instant as RFC 3339 writes it, a local date and time, or a local time of day, which is
/// today's or else tomorrow's.
pub(super) fn at(text: &str, now: &Zoned) -> Result<Timestamp, String> {
    let zoned = |local: DateTime| local.to_zoned(now.time_zone().clone()).ok();
    let time_of_day = || {
        let is_short = text.len() <= "HH:MM:SS".len() && text.contains(':');
        let time = is_short.then(|| text.parse::<TimeOfDay>().ok())??;
        let today = zoned(now.date().to_datetime(time))?;
        if today > *now {
            Some(today)
        } else {
            zoned(now.date().tomorrow().ok()?.to_datetime(time))
        }
    };
    let local = || time_of_day().or_else(|| zoned(text.parse().ok()?)).map(|at| at.timestamp());
    text.parse().ok().or_else(local).ok_or_else(|| {
        format!(
            "--at takes a time like 2027-01-31T09:00:00Z, 2027-01-31 09:00 or 09:00 (local), \
             not `{text}`"
        )
    })
}

/// How long before `now` this was: `3 m ago`.
pub(crate) fn ago(millis: i64, now: &Zoned) -> String {
    let time = until(millis, now.timestamp().as_millisecond());
    let is_recent = time < Duration::from_secs(10);
    let time = if is_recent { format!("{} s", time.as_secs()) } else { short(time) };
    format!("{time} ago")
}

/// How long it is from one time, in milliseconds since 1970, to another; nothing if that is past.
pub(super) fn until(from: i64, to: i64) -> Duration {
    Duration::from_millis(u64::try_from(to.saturating_sub(from)).unwrap_or(0))
}

/// A duration in few letters: `350 ms`, `1.8 s`, `12 s`, `3 m`, `5 h`, `12 d`, `2 y`.
pub(super) fn short(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0 if time.is_zero() => "0 s".to_owned(),
        0 => format!("{} ms", time.as_millis()),
        1..10 => format!("{:.1} s", time.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        60..3600 => format!("{} m", seconds / 60),
        3600..172_800 => format!("{} h", seconds / 3600),
        172_800..63_072_000 => format!("{} d", seconds / 86_400),
        _ => format!("{} y", seconds / 31_536_000),
    }
}

/// A duration to the nearest minute or hour: five minutes from now are `5 m` a moment later, too.
pub(super) fn about(time: Duration) -> String {
    let half = match time.as_secs() {
        0..60 => 0,
        60..3600 => 30,
        _ => 1800,
    };
    short(time + Duration::from_secs(half))
}

/// An instant, as clocks here show it.
pub(crate) fn local(millis: i64, zone: &TimeZone) -> String {
    let at = Timestamp::from_millisecond(millis).map(|at| at.to_zoned(zone.clone()));
    at.map_or_else(|_| millis.to_string(), |at| at.strftime("%Y-%m-%d %H:%M:%S").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 14:30 on a winter's day, two hours ahead of UTC.
    fn noonish() -> Zoned {
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        jiff::civil::date(2026, 12, 1).at(14, 30, 0, 0).to_zoned(zone).expect("it exists")
    }

    #[test]
    fn a_time_may_be_an_instant_a_local_time_or_a_time_of_day() {
        for (text, expected) in [
            ("2027-01-31T09:00:00Z", "2027-01-31T09:00:00Z"),
            ("2027-01-31T09:00:00+01:00", "2027-01-31T08:00:00Z"),
            ("2027-01-31 09:00", "2027-01-31T07:00:00Z"),
            ("2027-01-31T09:00:30", "2027-01-31T07:00:30Z"),
            ("15:00", "2026-12-01T13:00:00Z"),
            ("14:00", "2026-12-02T12:00:00Z"),
            ("14:30", "2026-12-02T12:30:00Z"),
            ("23:59:59", "2026-12-01T21:59:59Z"),
        ] {
            let at = at(text, &noonish()).expect(text);
            assert_eq!(at.to_string(), expected, "{text}");
        }
        for text in ["", "soon", "25:00", "9", "2027-13-01T00:00:00Z", "14:30 tomorrow"] {
            let error = at(text, &noonish()).expect_err(text);
            assert!(error.contains("--at takes a time like"), "{text}: {error}");
        }
    }

    #[test]
    fn a_wait_counts_from_now() {
        let in_five_minutes = after("5m", &noonish()).expect("it is a time");
        assert_eq!(in_five_minutes.to_string(), "2026-12-01T12:35:00Z");
        let error = after("five", &noonish()).expect_err("it is none");
        assert!(error.contains("--in takes a time like 30s"), "{error}");
    }

    #[test]
    fn durations_are_short_and_a_clock_that_is_behind_is_no_trouble() {
        for (millis, expected) in [
            (0, "0 s"),
            (350, "350 ms"),
            (1800, "1.8 s"),
            (59_900, "59 s"),
            (3 * 60_000, "3 m"),
            (47 * 3_600_000, "47 h"),
            (49 * 3_600_000, "2 d"),
            (800 * 86_400_000, "2 y"),
        ] {
            assert_eq!(short(Duration::from_millis(millis)), expected);
        }
        assert_eq!(about(Duration::from_millis(299_900)), "5 m");
        assert_eq!(about(Duration::from_secs(7199)), "2 h");
        assert_eq!(about(Duration::from_secs(59)), "59 s");
        let now = noonish();
        let then = now.timestamp().as_millisecond();
        assert_eq!(ago(then - 180_000, &now), "3 m ago");
        assert_eq!(ago(then + 500, &now), "0 s ago");
        assert_eq!(local(then, now.time_zone()), "2026-12-01 14:30:00");
    }
}
