//! The parsers of this program as the fuzz targets call them: text in, plain values or a message out.

use std::ffi::OsString;
use std::io;
use std::path::Path;

use sundown_check::{Container, StopBudget};

pub use crate::call::fuzzing::{allows, redirected};
pub use crate::command::fuzzing::shim_line;
pub use crate::serve::fuzzing::{new_tasks, page_asked};

use crate::config::{Config, Key, effective, load_from};

/// One key of the configuration.
#[derive(Debug, Clone)]
pub struct Setting {
    /// As it is named in messages: `web.listen`.
    pub path: String,
    /// Whether its value must never be shown.
    pub is_secret: bool,
}

/// Every key there is.
pub fn settings() -> Vec<Setting> {
    Key::all().map(|key| Setting { path: key.path(), is_secret: key.is_secret }).collect()
}

/// What a setting prints when it is given this text, and the whole configuration then.
///
/// # Errors
///
/// The message that a person gets for a variable with this text.
pub fn setting(path: &str, text: &str) -> Result<(String, String), String> {
    let key = Key::all().find(|key| key.path() == path).ok_or("there is no such key")?;
    let mut config = Config::default();
    if (key.set)(&mut config, text).is_ok() {
        return Ok(((key.show)(&config), format!("{config:?}")));
    }
    let variable = (OsString::from(key.env()), OsString::from(text));
    match load_from(&no_file, None, [variable], &[]) {
        Ok(_) => Err(String::new()),
        Err(problems) => Err(problems.to_string()),
    }
}

/// What `sundown config` prints of a service with this file and no environment. Every other file that
/// it names holds a token.
///
/// # Errors
///
/// Everything that is wrong with it.
pub fn config(text: &str) -> Result<String, String> {
    const FILE: &str = "sundown.toml";
    let files = |path: &Path| {
        let is_config = path == Path::new(FILE);
        Ok(if is_config { text.to_owned() } else { "a-token-from-a-file".to_owned() })
    };
    let loaded = load_from(&files, Some(Path::new(FILE)), [], &[]);
    loaded.map(|loaded| effective(&loaded)).map_err(|problems| problems.to_string())
}

/// How a container stops that runs this program.
///
/// # Errors
///
/// Why the program would not start there.
pub fn stop_budget(container: &Container) -> Option<Result<StopBudget, String>> {
    crate::check::stop_budget(container)
}

fn no_file(_: &Path) -> io::Result<String> {
    Err(io::ErrorKind::NotFound.into())
}
