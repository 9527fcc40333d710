//! The program `sundown` as a library, so that its parsers can be fuzzed: `main` is its only entry.

mod args;
mod call;
mod check;
mod client;
mod command;
mod config;
mod demo;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod live;
mod load;
mod logging;
mod plan;
mod private;
mod screen;
mod serve;
mod stops;

use std::ffi::OsString;
use std::io::{ErrorKind, Write as _, stdout};
use std::process::ExitCode;
use std::time::Duration;

use sundown::{BoxError, Exit};

use crate::args::{Command, Given};
use crate::command::shim;
use crate::config::Loaded;
use crate::logging::Verbosity;
use crate::screen::SCREEN;

/// How long the end waits for a terminal to take the last lines.
const LAST_LINES: Duration = Duration::from_millis(200);

/// Runs the program with the arguments and the environment of this process.
pub fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1).peekable();
    if arguments.next_if(|first| first == shim::NAME).is_some() {
        return shim::run(arguments);
    }
    let end = run(arguments);
    SCREEN.flush(LAST_LINES);
    Exit::of(end).into()
}

fn run(arguments: impl Iterator<Item = OsString>) -> Result<Exit, BoxError> {
    match args::parse(arguments)? {
        Command::Help(text) => print(&text),
        Command::Version => {
            print(concat!("sundown ", env!("CARGO_PKG_VERSION"), " (", env!("BUILD_COMMIT"), ")\n"))
        }
        Command::Config(given) => print(&config::effective(&loaded(&given)?)),
        Command::Check(ask) => check::run(&ask),
        Command::Plan(given, form) => {
            let loaded = loaded(&given)?;
            runtime()?.block_on(async { plan::show(&loaded, &form) })
        }
        Command::Stops(given, ask) => stops::run(&loaded(&given)?, ask),
        Command::Demo(options) => {
            logging::start(Verbosity::Demonstration)?;
            runtime()?.block_on(demo::run(options))
        }
        Command::Load(arguments) => load::run(&arguments),
        Command::Tasks(arguments) => client::run(arguments),
        Command::Serve(given) => {
            private::keep().map_err(|error| {
                format!("cannot hide the environment of the service from its commands: {error}")
            })?;
            let loaded = loaded(&given)?;
            logging::start(Verbosity::Service(&loaded.config.log))?;
            // Before there are threads: it takes them out of the environment.
            let listeners = serve::Given::take()?;
            // Before there is a runtime: a signal that comes while the service starts counts.
            let coordinator = serve::listen(&loaded)?;
            runtime()?.block_on(serve::run(coordinator, &loaded, listeners))
        }
    }
}

fn loaded(given: &Given) -> Result<Loaded, BoxError> {
    Ok(config::load(given.file.as_deref(), std::env::vars_os(), &given.flags)?)
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

/// Prints what was asked for. A reader that has seen enough is no error; a full disk is.
pub(crate) fn print(text: &str) -> Result<Exit, BoxError> {
    let mut out = stdout();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(format!("cannot write to the standard output: {error}").into())
        }
        Ok(()) | Err(_) => Ok(Exit::Clean),
    }
}
