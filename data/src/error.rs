//! The one error of this crate: which file, what is wrong with it, and what to do.

use std::path::{Path, PathBuf};

/// What went wrong with a file. The message is one line: `PATH: what is wrong; what to do`.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The content is damaged, inconsistent or of a kind that is not supported.
    #[error("{}: {what}; {advice}", path.display())]
    Input {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong.
        what: String,
        /// What to do about it.
        advice: String,
    },
    /// The file cannot be opened or read.
    #[error("{}: cannot be read ({source}); check the path and its permissions", path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// The answer of the operating system.
        source: std::io::Error,
    },
    /// The output exists and may not be replaced.
    #[error("{}: exists already; choose another output or allow overwriting with --force", path.display())]
    Exists {
        /// The output.
        path: PathBuf,
    },
    /// The output cannot be written.
    #[error("{}: cannot be written ({source}); check the folder, its permissions and the free space", path.display())]
    Io {
        /// The output.
        path: PathBuf,
        /// The answer of the operating system.
        source: std::io::Error,
    },
    /// The output cannot hold these numbers or has no known kind.
    #[error("{}: {what}; {advice}", path.display())]
    Output {
        /// The output.
        path: PathBuf,
        /// What is wrong.
        what: String,
        /// What to do about it.
        advice: String,
    },
}

/// The class of a [`DataError`], for exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataErrorKind {
    /// An input that is unreadable, unsupported or inconsistent.
    Input,
    /// An output that exists.
    Exists,
    /// An output that cannot be written.
    Io,
}

impl DataError {
    /// The class of the error.
    pub fn kind(&self) -> DataErrorKind {
        match self {
            Self::Input { .. } | Self::Unreadable { .. } => DataErrorKind::Input,
            Self::Exists { .. } => DataErrorKind::Exists,
            Self::Io { .. } | Self::Output { .. } => DataErrorKind::Io,
        }
    }

    /// The file that the error is about.
    pub fn path(&self) -> &Path {
        match self {
            Self::Input { path, .. }
            | Self::Unreadable { path, .. }
            | Self::Exists { path }
            | Self::Io { path, .. }
            | Self::Output { path, .. } => path,
        }
    }

    /// An input that cannot be used; control characters in `what` become spaces so that it stays one line.
    pub(crate) fn input(path: &Path, what: impl AsRef<str>, advice: impl Into<String>) -> Self {
        Self::Input { path: path.to_owned(), what: one_line(what.as_ref()), advice: advice.into() }
    }

    pub(crate) fn unreadable(path: &Path, source: std::io::Error) -> Self {
        Self::Unreadable { path: path.to_owned(), source }
    }

    pub(crate) fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }

    pub(crate) fn output(path: &Path, what: impl AsRef<str>, advice: impl Into<String>) -> Self {
        Self::Output { path: path.to_owned(), what: one_line(what.as_ref()), advice: advice.into() }
    }
}

/// The message of an error with those of all its causes: the first line alone of a DICOM error says nothing.
pub(crate) fn whole_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.ends_with(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        cause = inner.source();
    }
    one_line(&text)
}

fn one_line(text: &str) -> String {
    text.split(|c: char| c.is_control()).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Refuses NaN and infinite values, which would spread over a whole image in the first transform.
pub fn check_finite<'a>(path: &Path, values: impl IntoIterator<Item = &'a f32>) -> Result<(), DataError> {
    let bad = values.into_iter().filter(|value| !value.is_finite()).count();
    if bad == 0 {
        return Ok(());
    }
    Err(DataError::input(
        path,
        format!("{bad} values are NaN, infinite or too large for 32-bit floats"),
        "replace them by a number, for example that of the background; for NaN the option --nan-to does so",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_is_one_line_with_path_problem_and_advice() {
        let error = DataError::input(Path::new("a.dcm"), "line one\nline two", "do this");
        assert_eq!(error.to_string(), "a.dcm: line one line two; do this");
        assert_eq!(error.kind(), DataErrorKind::Input);
    }

    #[test]
    fn non_finite_values_are_counted() {
        let error = check_finite(Path::new("x.npy"), &[1.0, f32::NAN, f32::INFINITY]).unwrap_err();
        assert!(error.to_string().starts_with("x.npy: 2 values are NaN"));
        assert!(check_finite(Path::new("x.npy"), &[1.0]).is_ok());
    }
}
