//! The kinds of values a key may have: how each is written, read, and described. Words are taken in
//! capitals, too; units are not, because `M` and `m` are not the same.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use sundown::timeline::seconds;
use tracing::level_filters::LevelFilter;

use crate::call::Target;

/// What can stand behind a key.
pub(crate) trait Value: Sized {
    /// Whether a flag without a value means `true`.
    const IS_SWITCH: bool = false;
    /// Whether a file may have a list of values for it.
    const IS_LIST: bool = false;
    /// Whether it is kept out of sight.
    const IS_SECRET: bool = false;

    /// What may stand there, after "takes".
    fn wanted() -> String;

    /// Reads it; an error says what is wrong beyond "not what is wanted", or nothing.
    fn parse(text: &str) -> Result<Self, String>;

    /// Writes it as it would be read.
    fn show(&self) -> String;
}

/// A time: `30` and `30s` are seconds, then there are `ms`, `m` and `h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Time(pub(crate) Duration);

impl Time {
    pub(crate) const fn seconds(seconds: u64) -> Self {
        Time(Duration::from_secs(seconds))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&seconds(self.0))
    }
}

/// A year in milliseconds: nobody means more, and no sum of such times can overflow.
const LONGEST: f64 = 365.0 * 86_400_000.0;

impl Value for Time {
    fn wanted() -> String {
        "a time like 30s, 250ms, 5m or 1h; a bare number is seconds".to_owned()
    }

    fn parse(text: &str) -> Result<Self, String> {
        let digits = text.find(|c: char| c.is_alphabetic()).unwrap_or(text.len());
        let (number, unit) = (text[..digits].trim(), text[digits..].trim());
        let unit = match unit {
            "ms" => 1.0,
            "" | "s" => 1000.0,
            "m" | "min" => 60_000.0,
            "h" => 3_600_000.0,
            _ => return Err(format!("`{unit}` is no unit of time")),
        };
        let number: f64 = number.parse().map_err(|_| String::new())?;
        let millis = number * unit;
        if millis < 0.0 {
            return Err(String::new());
        }
        if millis > LONGEST {
            return Err("that is longer than a year".to_owned());
        }
        if (millis - millis.round()).abs() > 1e-4 {
            return Err("the smallest part of a time is a millisecond".to_owned());
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0..=LONGEST")]
        let millis = millis.round() as u64;
        Ok(Time(Duration::from_millis(millis)))
    }

    fn show(&self) -> String {
        let millis = self.0.as_millis();
        if millis.is_multiple_of(1000) {
            format!("{}s", millis / 1000)
        } else {
            format!("{millis}ms")
        }
    }
}

/// A number of bytes: `512`, `64KiB`, `1MiB`, `2GiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size(pub(crate) u64);

const UNITS: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("", 1)];

impl Size {
    pub(crate) const fn kibibytes(count: u64) -> Self {
        Size(count << 10)
    }

    pub(crate) const fn mebibytes(count: u64) -> Self {
        Size(count << 20)
    }
}

impl Value for Size {
    fn wanted() -> String {
        "a number of bytes like 512, 64KiB, 1MiB or 2GiB".to_owned()
    }

    fn parse(text: &str) -> Result<Self, String> {
        let digits = text.find(|c: char| c.is_alphabetic()).unwrap_or(text.len());
        let (number, unit) = (text[..digits].trim(), text[digits..].trim());
        let unit = UNITS.iter().find(|(name, _)| *name == unit);
        let (_, factor) = unit.ok_or("the units are KiB, MiB and GiB")?;
        let number: u64 = number.parse().map_err(|_| String::new())?;
        number.checked_mul(*factor).map(Size).ok_or_else(|| "that is too many".to_owned())
    }

    fn show(&self) -> String {
        let fits = |(_, factor): &&(&str, u64)| self.0 >= *factor && self.0.is_multiple_of(*factor);
        let (unit, factor) = UNITS.iter().find(fits).unwrap_or(&("", 1));
        format!("{}{unit}", self.0 / factor)
    }
}

/// What nobody must see: it is shown as set, and no more.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(pub(crate) String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Value for Secret {
    const IS_SECRET: bool = true;

    fn wanted() -> String {
        "a secret of at least 8 characters without spaces".to_owned()
    }

    fn parse(text: &str) -> Result<Self, String> {
        if text.len() < 8 || text.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(String::new());
        }
        Ok(Secret(text.to_owned()))
    }

    fn show(&self) -> String {
        "(a secret)".to_owned()
    }
}

/// Something that is chosen by itself unless it is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Auto<T>(pub(crate) Option<T>);

impl<T: Value> Value for Auto<T> {
    const IS_SWITCH: bool = T::IS_SWITCH;
    const IS_SECRET: bool = T::IS_SECRET;

    fn wanted() -> String {
        format!("`auto`, or {}", T::wanted())
    }

    fn parse(text: &str) -> Result<Self, String> {
        if text.eq_ignore_ascii_case("auto") {
            Ok(Auto(None))
        } else {
            T::parse(text).map(|value| Auto(Some(value)))
        }
    }

    fn show(&self) -> String {
        self.0.as_ref().map_or_else(|| "auto".to_owned(), Value::show)
    }
}

/// Something that is not there unless it is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Off<T>(pub(crate) Option<T>);

impl<T: Value> Value for Off<T> {
    const IS_SECRET: bool = T::IS_SECRET;

    fn wanted() -> String {
        format!("`off`, or {}", T::wanted())
    }

    fn parse(text: &str) -> Result<Self, String> {
        if text.eq_ignore_ascii_case("off") {
            Ok(Off(None))
        } else {
            T::parse(text).map(|value| Off(Some(value)))
        }
    }

    fn show(&self) -> String {
        self.0.as_ref().map_or_else(|| "off".to_owned(), Value::show)
    }
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Text,
    Json,
}

impl Value for Format {
    fn wanted() -> String {
        "`text` or `json`".to_owned()
    }

    fn parse(text: &str) -> Result<Self, String> {
        match &*text.to_ascii_lowercase() {
            "text" => Ok(Format::Text),
            "json" => Ok(Format::Json),
            _ => Err(String::new()),
        }
    }

    fn show(&self) -> String {
        match self {
            Format::Text => "text".to_owned(),
            Format::Json => "json".to_owned(),
        }
    }
}

/// How much is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Level(pub(crate) LevelFilter);

impl Level {
    pub(crate) const INFO: Level = Level(LevelFilter::INFO);
}

impl Value for Level {
    fn wanted() -> String {
        "`off`, `error`, `warn`, `info`, `debug` or `trace`".to_owned()
    }

    fn parse(text: &str) -> Result<Self, String> {
        // The library would take numbers, too.
        let is_word = text.chars().all(char::is_alphabetic);
        let level = text.parse().ok().filter(|_| is_word);
        level.map(Level).ok_or_else(String::new)
    }

    fn show(&self) -> String {
        self.0.to_string()
    }
}

impl Value for bool {
    const IS_SWITCH: bool = true;

    fn wanted() -> String {
        "`true` or `false`".to_owned()
    }

    fn parse(text: &str) -> Result<Self, String> {
        text.to_ascii_lowercase().parse().map_err(|_| String::new())
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Value for usize {
    fn wanted() -> String {
        "a number from 1 to 512".to_owned()
    }

    fn parse(text: &str) -> Result<Self, String> {
        let number = text.parse().ok();
        number.filter(|number| (1..=512).contains(number)).ok_or_else(String::new)
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

/// How many of something there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Count(pub(crate) u64);

impl Value for Count {
    fn wanted() -> String {
        "a number from 1 on".to_owned()
    }

    fn parse(text: &str) -> Result<Self, String> {
        let number = text.replace('_', "").parse().ok().filter(|number| *number > 0);
        number.map(Count).ok_or_else(String::new)
    }

    fn show(&self) -> String {
        self.0.to_string()
    }
}

/// Names of hosts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Names(pub(crate) Vec<String>);

impl Value for Names {
    const IS_LIST: bool = true;

    fn wanted() -> String {
        "names of hosts like sundown.example.com, separated by commas".to_owned()
    }

    fn parse(text: &str) -> Result<Self, String> {
        let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
        let names = names.map(|name| {
            let is_of_a_name = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
            if !name.chars().all(is_of_a_name) {
                return Err(String::new());
            }
            Ok(name.to_ascii_lowercase())
        });
        names.collect::<Result<_, _>>().map(Names)
    }

    fn show(&self) -> String {
        self.0.join(",")
    }
}

/// Addresses, and everything below them.
impl Value for Vec<Target> {
    const IS_LIST: bool = true;

    fn wanted() -> String {
        "URLs like https://hooks.example.com/in, separated by commas".to_owned()
    }

    fn parse(text: &str) -> Result<Self, String> {
        let urls = text.split(',').map(str::trim).filter(|url| !url.is_empty());
        urls.map(Target::parse).collect()
    }

    fn show(&self) -> String {
        let urls: Vec<String> = self.iter().map(ToString::to_string).collect();
        urls.join(",")
    }
}

impl Value for SocketAddr {
    fn wanted() -> String {
        "an address and a port like 127.0.0.1:8080, [::1]:8080 or localhost:8080".to_owned()
    }

    fn parse(text: &str) -> Result<Self, String> {
        let port = text.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
        match (text.parse(), port) {
            (Ok(address), _) => Ok(address),
            (Err(_), Some((host, port))) if host.eq_ignore_ascii_case("localhost") => {
                Ok(SocketAddr::from(([127, 0, 0, 1], port)))
            }
            (Err(_), Some(("", port))) => {
                Err(format!("write 127.0.0.1:{port} for this machine only, or 0.0.0.0:{port}"))
            }
            (Err(_), Some(_)) => Err("a name is not resolved, give its address".to_owned()),
            (Err(_), None) => Err(String::new()),
        }
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Value for PathBuf {
    fn wanted() -> String {
        "a path".to_owned()
    }

    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.contains('\0') {
            return Err(String::new());
        }
        Ok(PathBuf::from(text))
    }

    fn show(&self) -> String {
        self.display().to_string()
    }
}
