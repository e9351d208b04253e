//! Why a command ended, and the exit code that says so to scripts.

use recon::device::DeviceError;
use recon::knobs::SettingError;
use recon::models::ModelError;
use recon_data::network::NetworkError;
use recon_data::{DataError, DataErrorKind};
use recon_operators::OperatorError;
use recon_pipelines::{Refused, one_line};
use std::fmt;

/// A failure whose kind is known at the command line.
#[derive(Debug)]
pub enum Failure {
    /// The arguments make no sense: exit code 2.
    Usage(String),
    /// An input is unreadable, unsupported or inconsistent: exit code 3.
    Input(String),
    /// Some cases of several failed: exit code 4.
    Cases(String),
    /// An output is already there: exit code 5.
    Exists(String),
    /// The other side of a connection cannot be reached, refuses or breaks off: exit code 7.
    Peer(String),
    /// The work does not fit into the memory that it may use: exit code 6.
    Memory(String),
    /// Stopped by this signal, with the work so far kept: exit code 128 + signal.
    Interrupted(i32),
}

impl Failure {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Input(_) => 3,
            Self::Cases(_) => 4,
            Self::Exists(_) => 5,
            Self::Memory(_) => 6,
            Self::Peer(_) => 7,
            Self::Interrupted(signal) => u8::try_from(128 + signal).unwrap_or(130),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(message)
            | Self::Input(message)
            | Self::Cases(message)
            | Self::Exists(message)
            | Self::Memory(message)
            | Self::Peer(message) => f.write_str(message),
            Self::Interrupted(_) => f.write_str("interrupted; the work so far is kept"),
        }
    }
}

impl std::error::Error for Failure {}

/// The exit code that belongs to an error: see [`Failure`]; 1 for whatever failed while running.
pub fn exit_code(error: &anyhow::Error) -> u8 {
    error.chain().find_map(known_code).unwrap_or(1)
}

fn known_code(cause: &(dyn std::error::Error + 'static)) -> Option<u8> {
    if let Some(failure) = cause.downcast_ref::<Failure>() {
        return Some(failure.exit_code());
    }
    if let Some(error) = cause.downcast_ref::<DataError>() {
        return Some(data_code(error));
    }
    if let Some(error) = cause.downcast_ref::<NetworkError>() {
        return Some(match error {
            NetworkError::Peer { .. } => 7,
            NetworkError::Nothing { .. } => 3,
            NetworkError::Data(error) => data_code(error),
        });
    }
    if let Some(refused) = cause.downcast_ref::<Refused>() {
        return Some(match refused {
            Refused::Usage(_) => 2,
            Refused::Input(_) => 3,
        });
    }
    if cause.is::<SettingError>() {
        return Some(2);
    }
    // The device or its memory is not available.
    if cause.is::<DeviceError>() {
        return Some(6);
    }
    if let Some(error) = cause.downcast_ref::<ModelError>() {
        return Some(if matches!(error, ModelError::Write { .. }) { 1 } else { 3 });
    }
    cause.is::<OperatorError>().then_some(3)
}

fn data_code(error: &DataError) -> u8 {
    match error.kind() {
        DataErrorKind::Input => 3,
        DataErrorKind::Exists => 5,
        DataErrorKind::Io => 1,
    }
}

/// Whether a failure would meet every other case as well: the user stopped it, or the device is not there.
pub fn is_fatal(error: &anyhow::Error) -> bool {
    let fatal = |cause: &(dyn std::error::Error + 'static)| {
        matches!(cause.downcast_ref(), Some(Failure::Interrupted(_))) || cause.is::<DeviceError>()
    };
    error.chain().any(fatal)
}

/// Prints `error: …` in one line on stderr.
pub fn print(error: &anyhow::Error) {
    let line = one_line(error);
    let advice =
        if exit_code(error) == 3 && !line.contains("; ") { "; correct the input or the option" } else { "" };
    super::context::tell(&format!("error: {line}{advice}"));
}

/// Longest line that is shown, in characters.
const LONGEST: usize = 1000;
/// How much of the end of a longer line is shown: the advice stands there.
const END: usize = 300;

/// A line as it may go to a terminal: texts of files are quoted in it, which may hold sequences that command the terminal,
/// and be of any length.
pub fn shown(line: &str) -> String {
    let harmless = |c: char| if c.is_control() || is_formatting(c) { ' ' } else { c };
    let count = line.chars().count();
    if count <= LONGEST {
        return line.chars().map(harmless).collect();
    }
    let (start, end) = (line.chars().take(LONGEST - END), line.chars().skip(count - END));
    start.chain(" ... ".chars()).chain(end).map(harmless).collect()
}

/// Characters that turn the direction of text, or are not seen.
fn is_formatting(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;

    #[test]
    fn a_quoted_cause_is_not_repeated() {
        let error = anyhow::anyhow!("disk\nfull").context("a.npy: disk\nfull; make room");
        assert_eq!(one_line(&error), "a.npy: disk full; make room");
        assert_eq!(one_line(&anyhow::anyhow!("b").context("a")), "a: b");
    }

    #[test]
    fn a_line_commands_no_terminal_and_ends() {
        assert_eq!(shown("a\u{1b}]0;x\u{7}b\nerror: no\u{202e}"), "a ]0;x b error: no ");
        let long = shown(&format!("start {} advice", "x".repeat(1_000_000)));
        assert!(long.len() < 1100 && long.starts_with("start ") && long.ends_with(" advice"));
    }

    #[test]
    fn the_code_is_found_under_context() {
        let error = anyhow::Error::from(Failure::Exists("x".into())).context("while writing");
        assert_eq!(exit_code(&error), 5);
        assert_eq!(exit_code(&anyhow::anyhow!("disk full")), 1);
        assert_eq!(exit_code(&Failure::Interrupted(2).into()), 130);
        assert_eq!(exit_code(&Failure::Interrupted(15).into()), 143);
        let wrapped = Err::<(), _>(Failure::Usage("y".into())).context("a").context("b");
        assert_eq!(wrapped.map_err(|e| exit_code(&e)), Err(2));
    }
}
