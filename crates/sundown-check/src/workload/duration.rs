//! Durations as people write them into manifests.

use std::time::Duration;

/// `30s`, `1m30s`, `500ms`, `1.5h`, or seconds: `45`.
pub(crate) fn parse(text: &str) -> Option<Duration> {
    parse_with(text, Duration::from_secs(1))
}

/// The same where a number without a unit means something else than seconds.
pub(crate) fn parse_with(text: &str, bare: Duration) -> Option<Duration> {
    let text = text.trim();
    if let Some(iso) = text.strip_prefix("PT").or_else(|| text.strip_prefix("pt")) {
        return units(&iso.to_lowercase());
    }
    match text.parse::<f64>() {
        Ok(number) if text.starts_with(|c: char| c.is_ascii_digit()) => times(number, bare),
        Ok(_) => None,
        Err(_) => units(text),
    }
}

fn units(mut text: &str) -> Option<Duration> {
    let mut total = Duration::ZERO;
    if text.is_empty() {
        return None;
    }
    while !text.is_empty() {
        let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = text[..digits].parse().ok()?;
        let rest = &text[digits..];
        let length = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let unit = match rest[..length].trim() {
            "ns" => Duration::from_nanos(1),
            "us" | "µs" | "μs" => Duration::from_micros(1),
            "ms" => Duration::from_millis(1),
            "s" | "S" => Duration::from_secs(1),
            "m" => Duration::from_secs(60),
            "h" => Duration::from_secs(60 * 60),
            "d" => Duration::from_secs(24 * 60 * 60),
            _ => return None,
        };
        total = total.checked_add(times(number, unit)?)?;
        text = &rest[length..];
    }
    Some(total)
}

fn times(number: f64, unit: Duration) -> Option<Duration> {
    Duration::try_from_secs_f64(number * unit.as_secs_f64()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        let ms = |text: &str| parse(text).map(|time| time.as_millis());
        assert_eq!(ms("30s"), Some(30_000));
        assert_eq!(ms("1m30s"), Some(90_000));
        assert_eq!(ms("500ms"), Some(500));
        assert_eq!(ms(" 45 "), Some(45_000));
        assert_eq!(ms("1.5s"), Some(1_500));
        assert_eq!(ms("2h"), Some(7_200_000));
        assert_eq!(ms("0"), Some(0));
        assert_eq!(ms("PT1M30S"), Some(90_000));
        for wrong in ["", "s", "-3", "+3", "3 apples", "NaN", "inf", "1e400", "PT", "3s4", "1..2s"]
        {
            assert_eq!(ms(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_bare_number_can_mean_milliseconds() {
        let milli = Duration::from_millis(1);
        assert_eq!(parse_with("30000", milli), Some(Duration::from_secs(30)));
        assert_eq!(parse_with("30s", milli), Some(Duration::from_secs(30)));
    }
}
