//! The command `cloakroom`.

mod cli;

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match cli::run() {
        Ok(code) => code,
        Err(error) => {
            // `eprintln!` would panic where nobody reads it.
            let _ = writeln!(io::stderr(), "cloakroom: {error:#}");
            ExitCode::FAILURE
        }
    }
}
