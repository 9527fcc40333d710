//! The binary `sundown`: reads what it is told, introduces the layers to one another, and serves
//! until it is stopped.

mod args;
mod config;
mod demo;
mod live;
mod logging;
mod plan;
mod screen;
mod serve;

use sundown::{BoxError, Exit};

use crate::args::{Command, Given};
use crate::config::Loaded;
use crate::logging::Verbosity;

fn main() -> Exit {
    Exit::of(run())
}

fn run() -> Result<Exit, BoxError> {
    match args::parse(std::env::args().skip(1))? {
        Command::Help(text) => print(&text),
        Command::Version => {
            print(concat!("sundown ", env!("CARGO_PKG_VERSION"), " (", env!("BUILD_COMMIT"), ")\n"))
        }
        Command::Config(given) => print(&config::effective(&loaded(&given)?)),
        Command::Plan(given, form) => {
            let config = loaded(&given)?.config;
            runtime()?.block_on(async { plan::show(&config, &form) })
        }
        Command::Demo(options) => {
            logging::start(Verbosity::Demonstration);
            runtime()?.block_on(demo::run(options))
        }
        Command::Serve(given) => {
            let config = loaded(&given)?.config;
            logging::start(Verbosity::Service(&config.log));
            runtime()?.block_on(serve::run(&config))
        }
    }
}

fn loaded(given: &Given) -> Result<Loaded, BoxError> {
    let environment = std::env::vars_os()
        .map(|(name, value)| [name, value].map(|text| text.to_string_lossy().into_owned()))
        .map(|[name, value]| (name, value));
    Ok(config::load(given.file().as_deref(), environment, &given.flags)?)
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

pub(crate) fn print(text: &str) -> Result<Exit, BoxError> {
    use std::io::Write as _;
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(Exit::Clean)
}
