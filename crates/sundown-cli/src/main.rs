//! The binary `sundown`: the library's `main`, and nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    sundown_cli::main()
}
