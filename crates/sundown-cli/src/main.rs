//! The binary `sundown`. Until it serves tasks, it demonstrates the core: a small order desk under
//! load that is stopped, and shows that nothing was lost.

mod args;
mod demo;

use std::io::{IsTerminal as _, stderr};

use sundown::{BoxError, Exit};

use crate::args::{Command, HELP};

fn main() -> Exit {
    Exit::of(run())
}

fn run() -> Result<Exit, BoxError> {
    match args::parse(std::env::args().skip(1))? {
        Command::Help => print(HELP),
        Command::Version => print(concat!("sundown ", env!("CARGO_PKG_VERSION"), "\n")),
        Command::Demo(options) => {
            log_to_stderr();
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_time().build()?;
            runtime.block_on(demo::run(options))
        }
    }
}

fn log_to_stderr() {
    tracing_subscriber::fmt()
        .with_writer(stderr)
        .with_ansi(stderr().is_terminal())
        .with_target(false)
        .without_time()
        .init();
}

fn print(text: &str) -> Result<Exit, BoxError> {
    use std::io::Write as _;
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(Exit::Clean)
}
