//! The words of the shim: what is understood is written as it is read, and names no foreign group.

use sundown_cli::fuzzing::shim_line;

use crate::message;

pub(crate) fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for line in text.split_inclusive('\n') {
        let Some((written, group)) = shim_line(line) else { continue };
        assert_eq!(shim_line(&written), Some((written.clone(), group)), "{line:?}");
        assert!(written.ends_with('\n'), "{written:?}");
        message::is_plain(&written);
        // A signal to the group 1 would go to everybody, and one to 0 to ourselves.
        assert!(group.is_none_or(|group| group > 1), "{line:?}");
    }
}
