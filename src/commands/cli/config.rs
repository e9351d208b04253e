//! The config file: defaults below flags and environment variables.
//!
//! A TOML file of long option names. Keys at the top serve every command that has such an option; keys in
//! a table named after a command serve that command alone.
//!
//! ```toml
//! threads = 8
//! [ct]
//! views = 60
//! [ct.score]
//! steps = 30
//! ```
//!
//! A table inside that of a command is named after a method: its settings are for that method alone.

use super::settings::CONFIGURED;
use crate::commands::session::failure::Failure;
use anyhow::{Result, bail};
use clap::Command;
use recon::settings::find;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// `command` with the defaults of the file that `--config` or `RECON_CONFIG` names, if any.
///
/// # Errors
/// When the file cannot be read, is not TOML or names an option that no command has.
pub fn apply(command: Command, arguments: &[OsString]) -> Result<Command> {
    let Some(path) = path(arguments) else { return Ok(command) };
    let table = read(&path)?;
    check(&command, &table, &path)?;
    Ok(defaults(command, &table))
}

fn path(arguments: &[OsString]) -> Option<PathBuf> {
    let mut words = arguments.iter().map(|word| word.to_string_lossy());
    while let Some(word) = words.next() {
        if word == "--config" {
            return words.next().map(|path| PathBuf::from(path.into_owned()));
        }
        if let Some(path) = word.strip_prefix("--config=") {
            return Some(path.into());
        }
    }
    std::env::var_os("RECON_CONFIG").map(PathBuf::from)
}

/// More than any config file has.
const MOST_BYTES: u64 = 1 << 20;

fn read(path: &Path) -> Result<Table> {
    let text = recon_data::read_text(path, MOST_BYTES)
        .map_err(|error| Failure::Input(format!("{}: {error}; check --config", path.display())))?;
    let table = text.parse::<Table>().map_err(|error| {
        Failure::Input(format!("{}: is not a TOML file: {}; correct it", path.display(), error.message()))
    })?;
    Ok(table)
}

fn check(command: &Command, table: &Table, path: &Path) -> Result<()> {
    for (key, value) in table {
        let known = match value {
            Value::Table(inner) => match command.find_subcommand(key) {
                Some(subcommand) => check_inner(subcommand, inner, path).map(|()| true)?,
                None => false,
            },
            _ => command.get_subcommands().any(|subcommand| has(subcommand, key)),
        };
        if !known {
            bail!(unknown(key, path));
        }
    }
    Ok(())
}

fn check_inner(command: &Command, table: &Table, path: &Path) -> Result<()> {
    for (key, value) in table {
        match (value, find(key)) {
            (Value::Table(settings), Some(info)) => {
                if let Some(key) = settings.keys().find(|key| info.knob(key).is_none()) {
                    bail!(unknown(key, path));
                }
            }
            _ if has(command, key) => {}
            _ => bail!(unknown(key, path)),
        }
    }
    Ok(())
}

fn unknown(key: &str, path: &Path) -> Failure {
    Failure::Usage(format!("{}: there is no option {key:?}; use long option names", path.display()))
}

fn has(command: &Command, long: &str) -> bool {
    command.get_arguments().any(|argument| argument.get_long() == Some(long))
        || command.get_subcommands().any(|inner| has(inner, long))
}

fn defaults(command: Command, table: &Table) -> Command {
    command.mut_subcommands(|subcommand| {
        let own = table.get(subcommand.get_name()).and_then(Value::as_table).cloned().unwrap_or_default();
        let mut merged: Table = table.clone();
        merged.retain(|_, value| !value.is_table());
        merged.extend(own);
        let settings = method_settings(&merged);
        merged.retain(|_, value| !value.is_table());
        with_defaults(subcommand, &merged).mut_args(|argument| {
            if argument.get_long() == Some(CONFIGURED) && !settings.is_empty() {
                argument.default_values(settings.clone())
            } else {
                argument
            }
        })
    })
}

/// The settings in tables named after methods, as `METHOD.KEY=VALUE`.
fn method_settings(table: &Table) -> Vec<String> {
    let of = |(method, settings): (&String, &Value)| {
        let pairs = settings.as_table().into_iter().flatten();
        pairs.map(|(key, value)| format!("{method}.{key}={}", text(value))).collect::<Vec<_>>()
    };
    table.iter().flat_map(of).collect()
}

fn with_defaults(command: Command, table: &Table) -> Command {
    let table = table.clone();
    let nested = table.clone();
    command
        .mut_args(move |argument| match argument.get_long().and_then(|long| table.get(long)) {
            Some(value) => argument.default_value(text(value)),
            None => argument,
        })
        .mut_subcommands(move |inner| with_defaults(inner, &nested))
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use crate::commands::Command as Chosen;
    use clap::{CommandFactory, FromArgMatches};

    fn parse(config: &str, words: &[&str]) -> Chosen {
        let table: Table = config.parse().expect("TOML");
        check(&Cli::command(), &table, Path::new("c.toml")).expect("known options");
        let command = defaults(Cli::command(), &table);
        let matches = command.try_get_matches_from(words).expect("valid arguments");
        Cli::from_arg_matches(&matches).expect("valid arguments").command
    }

    #[test]
    fn a_flag_wins_over_the_file_and_the_file_over_the_default() {
        let config = "seed = 7\nforce = true\n[ct]\nviews = 60";
        let Chosen::Ct(ct) = parse(config, &["recon", "ct", "a.npy"]) else { panic!("not ct") };
        assert_eq!((ct.views, ct.common.seed, ct.common.force), (Some(60), 7, true));
        let Chosen::Ct(ct) = parse(config, &["recon", "ct", "a.npy", "--views", "9"]) else {
            panic!("not ct")
        };
        assert_eq!(ct.views, Some(9));
    }

    #[test]
    fn an_unknown_option_is_named() {
        let table: Table = "vews = 3".parse().expect("TOML");
        let error = check(&Cli::command(), &table, Path::new("c.toml")).expect_err("unknown");
        assert!(error.to_string().contains("vews"));
    }
}
