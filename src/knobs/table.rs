//! Settings by name.

use super::SettingError;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Settings by name, as they stand in files.
pub type Table = toml::Table;

/// The settings of a struct by name.
pub(crate) fn of<S: Serialize>(settings: &S) -> Table {
    // A struct of numbers and names is always a table.
    Table::try_from(settings).unwrap_or_default()
}

/// A struct of settings, from `defaults` and what is `given` over them.
///
/// # Errors
/// When a value has another type.
pub(crate) fn filled<S: Serialize + DeserializeOwned>(
    defaults: &S,
    given: &Table,
) -> Result<S, SettingError> {
    let mut table = of(defaults);
    table.extend(given.iter().map(|(key, value)| (key.clone(), value.clone())));
    toml::Value::Table(table).try_into().map_err(|error: toml::de::Error| {
        let key = given.keys().next().cloned().unwrap_or_default();
        SettingError { key, message: error.message().to_owned() }
    })
}
