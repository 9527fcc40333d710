//! Names that are no keys: what Kubernetes sets for others, and what was probably meant.

use std::net::IpAddr;

/// Whether Kubernetes has set it for a service that happens to be called `sundown`, or
/// `sundown-something`. The name alone does not say: `SUNDOWN_WEB_PORT=9000` is a mistake, and must
/// be told.
pub(super) fn is_service_link(name: &str, value: &str) -> bool {
    let is_address = || value.parse::<IpAddr>().is_ok();
    let is_number = || value.parse::<u16>().is_ok();
    if name.ends_with("_SERVICE_HOST") {
        return is_address();
    }
    if name.contains("_SERVICE_PORT") {
        return is_number();
    }
    if name.ends_with("_PORT") && is_url(value) {
        return true;
    }
    // NAME_PORT_80_TCP, and the same with _PROTO, _PORT and _ADDR.
    let parts: Vec<&str> = name.rsplit('_').collect();
    match parts[..] {
        [protocol, port, "PORT", _, ..] => is_protocol(protocol) && is_port(port) && is_url(value),
        [part, protocol, port, "PORT", _, ..] if is_protocol(protocol) && is_port(port) => {
            match part {
                "PROTO" => is_protocol(&value.to_uppercase()),
                "PORT" => is_number(),
                "ADDR" => is_address(),
                _ => false,
            }
        }
        _ => false,
    }
}

fn is_protocol(text: &str) -> bool {
    matches!(text, "TCP" | "UDP" | "SCTP")
}

fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok()
}

fn is_url(value: &str) -> bool {
    ["tcp://", "udp://", "sctp://"].iter().any(|scheme| value.starts_with(scheme))
}

/// The candidate that differs from `word` in a letter or two.
pub(super) fn closest<'a>(
    word: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    let near = candidates.map(|candidate| (distance(word, candidate), candidate)).min();
    near.filter(|(distance, _)| *distance <= 3).map(|(_, candidate)| candidate)
}

/// How many letters must be changed, added or taken away.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.iter().enumerate() {
            let changed = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}
