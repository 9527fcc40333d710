//! Starts a command, lets it run for a second or until it prints `ready`, asks it to stop, and
//! says how it did: `cargo run -p sundown-drill --example stop -- python3 -m http.server`.

use std::process::ExitCode;
use std::time::Duration;

use sundown_drill::process::{Error, Process, Signal};

const READY: Duration = Duration::from_secs(1);
const GRACE: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    let command: Vec<String> = std::env::args().skip(1).collect();
    let Some((program, arguments)) = command.split_first() else {
        eprintln!("usage: stop PROGRAM [ARGUMENT …]");
        return ExitCode::from(2);
    };
    match stop(program, arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

/// Whether the command ended of its own will and left nobody behind.
fn stop(program: &str, arguments: &[String]) -> Result<bool, Error> {
    let mut process = Process::new(program).args(arguments).spawn()?;
    println!("started {}", process.id());
    match process.wait_for_line(|line| line.contains("ready"), READY) {
        Ok(_) | Err(Error::Timeout { .. }) => {}
        Err(error) => return Err(error),
    }
    process.signal(Signal::Term)?;
    let exit = process.wait(GRACE)?;
    match (exit.code, exit.signal) {
        (Some(code), _) => println!("exit code {code} after {:?}", exit.took),
        (None, signal) => println!("ended by signal {signal:?} after {:?}", exit.took),
    }
    if !exit.left_behind.is_empty() {
        println!("left behind: {:?}", exit.left_behind);
    }
    Ok(exit.code == Some(0) && exit.left_behind.is_empty())
}
