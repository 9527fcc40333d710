//! What must hold of every text that goes to a person's terminal.

/// The longest message about one thing that is wrong: it may name every section there is, and quotes
/// only a part of a long input.
pub(crate) const LONGEST: usize = 2000;

/// Panics unless the text can go to a terminal: it moves no cursor and changes no colour.
pub(crate) fn is_plain(text: &str) {
    let control = text.chars().find(|c| c.is_control() && *c != '\n');
    assert_eq!(control, None, "a control character in {text:?}");
}

/// Panics unless it is a message that a person reads: plain, not empty and not long.
pub(crate) fn is_readable(message: &str) {
    is_plain(message);
    assert!(!message.is_empty(), "a message that says nothing");
    assert!(message.len() <= LONGEST, "{} bytes: {message}", message.len());
}
