//! The words of a command line, flags apart from the others.

use std::ops::RangeInclusive;

/// Flags that take no value.
const SWITCHES: [&str; 2] = ["--watch", "--yes"];

pub(super) struct Words {
    pub(super) plain: Vec<String>,
    flags: Vec<(String, String)>,
}

impl Words {
    pub(super) fn sort(arguments: Vec<String>) -> Result<Self, String> {
        let mut words = Words { plain: Vec::new(), flags: Vec::new() };
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            if !argument.starts_with("--") && argument != "-o" {
                words.plain.push(argument);
                continue;
            }
            let (name, value) = match argument.split_once('=') {
                Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                None => (argument, None),
            };
            let name = if name == "-o" { "--output".to_owned() } else { name };
            let value = match (SWITCHES.contains(&name.as_str()), value) {
                (true, Some(_)) => return Err(format!("{name} takes no value")),
                (true, None) => String::new(),
                (false, Some(value)) => value,
                (false, None) => arguments
                    .next()
                    .ok_or_else(|| format!("{name} takes a value, and none came"))?,
            };
            if words.flags.iter().any(|(known, _)| *known == name) {
                return Err(format!("{name} came twice (give it once)"));
            }
            words.flags.push((name, value));
        }
        Ok(words)
    }

    /// The value of a flag, which counts as used from now on.
    pub(super) fn take(&mut self, flag: &str) -> Option<String> {
        let at = self.flags.iter().position(|(name, _)| name == flag)?;
        Some(self.flags.remove(at).1)
    }

    pub(super) fn number(
        &mut self,
        flag: &str,
        range: RangeInclusive<i64>,
    ) -> Result<Option<i64>, String> {
        let (from, to) = (range.start(), range.end());
        let number = |text: String| {
            let number = text.parse().ok().filter(|number| range.contains(number));
            number.ok_or_else(|| format!("{flag} takes a number from {from} to {to}, not `{text}`"))
        };
        self.take(flag).map(number).transpose()
    }

    /// A flag that nobody used.
    pub(super) fn unused(&self) -> Option<&str> {
        self.flags.first().map(|(name, _)| name.as_str())
    }
}
