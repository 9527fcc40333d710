//! Tokens: in a variable, or in a file that is named; of the two ways the later layer's counts.

use std::path::{Path, PathBuf};

use super::load::{Files, Loading};
use super::{Off, Secret, Value as _};

impl Loading {
    /// Puts the tokens that are in files where the others are.
    pub(super) fn tokens(&mut self, files: &Files<'_>) {
        let web = (self.config.web.token.clone(), self.config.web.token_file.clone());
        (self.config.web.token, self.config.web.token_file) = self.token(files, "web.token", web);
        let admin = (self.config.admin.token.clone(), self.config.admin.token_file.clone());
        (self.config.admin.token, self.config.admin.token_file) =
            self.token(files, "admin.token", admin);
    }

    fn token(&mut self, files: &Files<'_>, key: &str, (token, file): Token) -> Token {
        let Some(path) = &file.0 else { return (token, file) };
        let (by_value, by_file) = (self.origin(key), self.origin(&format!("{key}_file")));
        if token.0.is_some() {
            if by_value.layer() == by_file.layer() {
                let what = format!("`{key}` is set as well, by {by_value} (set one of them)");
                self.problem(by_file, what);
                return (token, file);
            }
            if by_value.layer() > by_file.layer() {
                self.set_origin(&format!("{key}_file"), by_value);
                return (token, Off(None));
            }
        }
        match read(files, path) {
            Ok(secret) => {
                self.set_origin(key, by_file);
                (Off(Some(secret)), file)
            }
            Err(what) => {
                self.problem(by_file, what);
                (Off(None), file)
            }
        }
    }
}

/// A token, and the file it is in.
type Token = (Off<Secret>, Off<PathBuf>);

fn read(files: &Files<'_>, file: &Path) -> Result<Secret, String> {
    let path = file.display();
    let text = files(file).map_err(|error| format!("cannot read {path}: {error}"))?;
    Secret::parse(text.trim()).map_err(|_| format!("{path} does not hold {}", Secret::wanted()))
}
