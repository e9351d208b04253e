//! What is wrong with a setting.

/// A setting that cannot be: which one, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {message}")]
pub struct SettingError {
    /// Its name, as in `--set KEY=VALUE`.
    pub key: String,
    /// What is wrong and what would be right.
    pub message: String,
}

impl SettingError {
    /// Names the setting.
    pub fn new(key: &str, message: impl Into<String>) -> Self {
        Self { key: key.to_owned(), message: message.into() }
    }
}
