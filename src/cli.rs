//! The command line: arguments in, exit code out.

use crate::commands::Command;
use crate::commands::cli::config;
use crate::commands::session::failure::{self, Failure};
use clap::{CommandFactory, FromArgMatches, Parser};
use std::ffi::OsString;
use std::process::ExitCode;

/// Reconstruct medical images from too few measurements.
///
/// CT from few views, MRI from undersampled k-space and CT with metal, by classical methods and with a
/// learned score prior. Every result comes with a JSON sidecar that says how it was made.
#[derive(Parser, Debug)]
#[command(
    name = "recon",
    version,
    max_term_width = 100,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    disable_help_flag = true
)]
pub struct Cli {
    /// Print help.
    #[arg(short, long, global = true, action = clap::ArgAction::HelpShort)]
    pub help: Option<bool>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Runs the program on the arguments of the process.
pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let outcome = parse(&arguments).and_then(|cli| match cli {
        Some(cli) => cli.command.run(&words(&arguments)),
        None => Ok(()),
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            failure::print(&error);
            ExitCode::from(failure::exit_code(&error))
        }
    }
}

/// The command line in words, for reports.
fn words(arguments: &[OsString]) -> Vec<String> {
    arguments.iter().map(|word| word.to_string_lossy().into_owned()).collect()
}

/// Flags over environment over config file over defaults; none when help or the version was asked for.
fn parse(arguments: &[OsString]) -> anyhow::Result<Option<Cli>> {
    let command = config::apply(Cli::command(), arguments)?;
    let parsed = command.try_get_matches_from(arguments).and_then(|matches| Cli::from_arg_matches(&matches));
    match parsed {
        Ok(cli) => Ok(Some(cli)),
        Err(error) if error.use_stderr() && !shows_help(&error) => Err(one_line(&error).into()),
        Err(error) => {
            let code = error.exit_code();
            // A closed pipe is no reason to fail when all there is to print is help.
            let _ = error.print();
            if code == 0 { Ok(None) } else { std::process::exit(code) }
        }
    }
}

fn shows_help(error: &clap::Error) -> bool {
    error.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
}

/// The first paragraph of clap's message, which says what is wrong, in one line.
fn one_line(error: &clap::Error) -> Failure {
    let text = error.to_string();
    let paragraph: Vec<&str> =
        text.lines().take_while(|line| !line.trim().is_empty()).map(str::trim).collect();
    let message = paragraph.join(" ");
    let message = message.strip_prefix("error: ").unwrap_or(&message);
    Failure::Usage(format!("{message}; see --help"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_of_the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn usage_errors_take_one_line() {
        let error = Cli::try_parse_from(["recon", "ct", "--views", "no"]).expect_err("not a number");
        let Failure::Usage(message) = one_line(&error) else { panic!("wrong kind") };
        assert!(message.contains("--views") && !message.contains('\n'), "{message}");
    }
}
