//! How deep JSON may be nested so that everybody can read it back.

/// So many levels: those that read it accept 127, and what is kept is read with something around it.
pub(crate) const MOST: usize = 120;

/// The levels of a text that is JSON.
pub(crate) fn levels(json: &str) -> usize {
    let (mut now, mut most) = (0_usize, 0);
    let mut in_text = false;
    let mut bytes = json.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            // Whatever is escaped is not the end of the text.
            b'\\' if in_text => drop(bytes.next()),
            b'"' => in_text = !in_text,
            b'[' | b'{' if !in_text => {
                now += 1;
                most = most.max(now);
            }
            b']' | b'}' if !in_text => now = now.saturating_sub(1),
            _ => {}
        }
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_open_at_once_counts_and_no_text_does() {
        for (json, expected) in [
            ("1", 0),
            ("[]", 1),
            (r#"[{"a": [1]}, [], {}]"#, 3),
            (r#""[[[""#, 0),
            (r#"["\"[[", "\\"]"#, 1),
            (r#"["\\\"[", [1]]"#, 2),
        ] {
            assert_eq!(levels(json), expected, "{json}");
        }
    }

    #[test]
    fn the_deepest_can_be_read_within_something_else() {
        let deep = "[".repeat(MOST) + &"]".repeat(MOST);
        let kept = format!(r#"{{"tasks": [{{"checkpoint": {{"cursor": {deep}}}}}]}}"#);
        assert!(serde_json::from_str::<serde_json::Value>(&kept).is_ok());
    }
}
