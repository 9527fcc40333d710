//! A side in a process of its own, that is told what to do line by line: a word and a number. It
//! answers each with a number.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};

pub(crate) struct Aside {
    name: String,
    child: Child,
    tell: ChildStdin,
    hear: BufReader<ChildStdout>,
}

impl Aside {
    /// Starts a program that was built beside this one.
    pub(crate) fn start(program: &str, words: &[&str], place: &Path) -> anyhow::Result<Self> {
        let own = std::env::current_exe().context("cannot find this program")?;
        let mut child = Command::new(own.with_file_name(program))
            .args(words)
            .arg(place)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| {
                format!("cannot start {program} (cargo xtask bench tasks builds it)")
            })?;
        let tell = child.stdin.take().context("its standard input is piped")?;
        let hear = BufReader::new(child.stdout.take().context("its standard output is piped")?);
        Ok(Aside { name: program.to_owned(), child, tell, hear })
    }

    pub(crate) fn ask(&mut self, word: &str, number: u32) -> anyhow::Result<u64> {
        writeln!(self.tell, "{word} {number}").with_context(|| self.gone())?;
        let mut line = String::new();
        self.hear.read_line(&mut line).with_context(|| self.gone())?;
        line.trim().parse().with_context(|| self.gone())
    }

    /// A round; a side that fails leaves nothing to compare.
    pub(crate) fn round(&mut self, word: &str, count: u32) -> Duration {
        let nanos = self.ask(word, count).unwrap_or_else(|error| panic!("{error:#}"));
        Duration::from_nanos(nanos)
    }

    /// Waits until it is gone.
    pub(crate) fn end(self) -> anyhow::Result<()> {
        let Aside { name, mut child, tell, .. } = self;
        drop(tell);
        let status = child.wait().with_context(|| format!("cannot wait for {name}"))?;
        ensure!(status.success(), "{name} failed: {status}");
        Ok(())
    }

    fn gone(&self) -> String {
        format!("{} does not answer: see above", self.name)
    }
}

/// The other end: answers one line after the other until there are no more.
pub(crate) fn answer(mut ask: impl FnMut(&str, u32) -> anyhow::Result<u64>) -> anyhow::Result<()> {
    for line in std::io::stdin().lines() {
        let line = line.context("cannot read what to do")?;
        let (word, number) = line.split_once(' ').context("a word and a number are expected")?;
        println!("{}", ask(word, number.parse()?)?);
    }
    Ok(())
}
