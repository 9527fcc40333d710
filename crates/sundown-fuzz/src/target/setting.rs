//! The value of every setting: one that is taken prints as a text that means the same.

use sundown_cli::fuzzing::{self, Setting};

use crate::message;

pub(crate) fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    // No variable can hold it.
    if text.contains('\0') {
        return;
    }
    for setting in fuzzing::settings() {
        match fuzzing::setting(&setting.path, text) {
            Ok(printed) => prints_itself(&setting, text, &printed),
            Err(problems) => {
                let first = problems.lines().next().unwrap_or_default();
                message::is_readable(first);
                message::is_plain(&problems);
                let is_long = text.len() >= 16 && setting.is_secret;
                assert!(!is_long || !problems.contains(text), "a secret is shown: {problems}");
            }
        }
    }
}

fn prints_itself(setting: &Setting, text: &str, (shown, whole): &(String, String)) {
    let path = &setting.path;
    if setting.is_secret {
        let is_off = ["auto", "off"].contains(&&*text.to_ascii_lowercase());
        assert!(is_off || !shown.contains(text), "{path} shows {text}");
        return;
    }
    let again = fuzzing::setting(path, shown);
    let again = again.unwrap_or_else(|error| panic!("{path}: {text:?} → {shown:?}: {error}"));
    assert_eq!((shown, whole), (&again.0, &again.1), "{path}: {text:?}");
}
