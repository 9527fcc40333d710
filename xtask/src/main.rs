//! The chores of the project: `cargo xtask test | bench AREA | torture tasks | fuzz | deploy |
//! e2e kubernetes | mutants | audit | tidy | docs`.

mod audit;
mod bench;
mod command;
mod deploy;
mod docs;
mod e2e;
mod fuzz;
mod mutants;
mod needs;
mod step;
mod test;
mod tidy;
mod torture;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use command::{Command, HELP};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let command = match Command::parse(&arguments) {
        Ok(command) => command,
        Err(error) => {
            eprintln!("xtask: {error:#}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    match enter_workspace().and_then(|root| run(&command, &root)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask {command}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: &Command, root: &Path) -> anyhow::Result<()> {
    match command {
        Command::Test { full } => test::run(root, *full),
        Command::Bench { area, json } => bench::run(root, area.as_deref(), *json),
        Command::Torture(torture) => torture::run(torture),
        Command::Judge { folder } => torture::judge(folder),
        Command::Deploy(wanted) => deploy::run(root, wanted),
        Command::EndToEnd(wanted) => e2e::run(root, wanted),
        Command::Fuzz(wanted) => fuzz::run(root, wanted),
        Command::Audit => audit::run(root),
        Command::Pin { checkout } => audit::pin(root, checkout),
        Command::Mutants { file } => mutants::run(file.as_deref()),
        Command::Tidy => tidy::run(root),
        Command::Docs => docs::run(),
        Command::Help => {
            println!("{HELP}");
            Ok(())
        }
    }
}

/// Every command works from the workspace's root, wherever it was started.
fn enter_workspace() -> anyhow::Result<PathBuf> {
    let manifest_dir = std::env::var_os("CARGO_MANIFEST_DIR")
        .context("CARGO_MANIFEST_DIR is not set (run this as `cargo xtask …`)")?;
    let root = Path::new(&manifest_dir).parent().context("xtask has no folder above it")?;
    std::env::set_current_dir(root).with_context(|| format!("cannot enter {}", root.display()))?;
    Ok(root.to_owned())
}
