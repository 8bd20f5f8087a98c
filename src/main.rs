//! Hands over to `cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    redis_ops::cli::main()
}
