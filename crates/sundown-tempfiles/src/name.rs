//! Names that an application may give, checked so that none leads out of its directory.

use std::fmt;

use thiserror::Error;

/// Room for what we put before it: file names end at 255 bytes.
const LONGEST: usize = 200;

/// Why a name was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{}` cannot name a temporary file: {why} (give a plain name, without a path)", name.escape_debug())]
pub struct NameError {
    /// The name.
    pub name: String,
    /// What is wrong with it.
    pub why: &'static str,
}

/// A name that is one component and nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name(String);

impl Name {
    /// Checks it.
    ///
    /// Backslashes and control characters are harmless here, but not in the logs, shells and
    /// other systems that such a name ends up in.
    pub(crate) fn new(name: &str) -> Result<Self, NameError> {
        let why = if name.is_empty() {
            "it is empty"
        } else if name == "." || name == ".." {
            "it names a directory that exists"
        } else if name.contains(['/', '\\']) {
            "it has a separator in it"
        } else if name.contains('\0') {
            "it has a NUL in it"
        } else if name.contains(char::is_control) {
            "it has a control character in it"
        } else if name.len() > LONGEST {
            "it is longer than 200 bytes"
        } else {
            return Ok(Name(name.to_owned()));
        };
        Err(NameError { name: name.to_owned(), why })
    }

    /// The same, made unique: what comes before it is random, so an extension stays in its place.
    pub(crate) fn made_unique(&self) -> String {
        format!("{:016x}-{}", fastrand::u64(..), self.0)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_component_or_refused_with_the_reason() {
        for (name, why) in [
            ("", "empty"),
            (".", "exists"),
            ("..", "exists"),
            ("../x", "separator"),
            ("/etc/passwd", "separator"),
            ("a/b", "separator"),
            ("a\\b", "separator"),
            ("a\0b", "NUL"),
            ("a\nb", "control"),
            ("\u{1b}[31m", "control"),
            (&"x".repeat(201), "longer"),
        ] {
            let error = Name::new(name).unwrap_err();
            assert!(error.why.contains(why), "{name:?}: {error}");
            assert!(!error.to_string().contains(['\0', '\n', '\u{1b}']), "{error}");
        }
        for name in ["upload.csv", "…", "..hidden", "a b", "-rf", "~", &"x".repeat(200)] {
            assert_eq!(Name::new(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn a_name_made_unique_keeps_its_extension_and_fits() {
        let name = Name::new("photo.jpeg").unwrap();
        assert!(name.made_unique().ends_with("-photo.jpeg"));
        assert_ne!(name.made_unique(), name.made_unique());
        assert!(Name::new(&"x".repeat(200)).unwrap().made_unique().len() <= 255);
    }
}
