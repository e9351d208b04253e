//! The settings that are searched for, and where.

use recon::knobs::{Info, Knob, Search};
use recon::settings::{Entry, Origin, Value, infos};
use recon_pipelines::Refused;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// A setting that is searched for; in logs its name is in snake case.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Parameter {
    knob: &'static Knob,
    search: Search,
}

/// A value for every parameter of a search.
pub(super) type Point = BTreeMap<Parameter, f64>;

impl PartialEq for Parameter {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Parameter {}

impl PartialOrd for Parameter {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Parameter {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(other.key())
    }
}

impl TryFrom<String> for Parameter {
    type Error = String;
    fn try_from(name: String) -> Result<Self, String> {
        let key = name.replace('_', "-");
        let found = infos().flat_map(Self::of).find(|parameter| parameter.key() == key);
        found.ok_or_else(|| format!("{name} is not searched for"))
    }
}

impl From<Parameter> for String {
    fn from(parameter: Parameter) -> Self {
        parameter.key().replace('-', "_")
    }
}

impl Parameter {
    /// Those of a method.
    pub(super) fn of(info: &'static Info) -> impl Iterator<Item = Self> {
        info.knobs.iter().filter_map(|knob| Some(Self { knob, search: knob.search? }))
    }

    /// The name of the setting.
    pub(super) fn key(&self) -> &'static str {
        self.knob.key
    }

    /// Where it is searched.
    pub(super) fn range(&self) -> Search {
        self.search
    }

    /// Its value among settings.
    pub(super) fn among(&self, table: &toml::Table) -> Option<f64> {
        let value = table.get(self.key())?;
        value.as_float().or_else(|| value.as_integer().map(|n| n as f64))
    }

    /// The word that it has this value.
    ///
    /// # Errors
    /// Never in practice: it is a setting of a method.
    pub(super) fn entry(&self, value: f64) -> Result<Entry, Refused> {
        // Shortest text: whole numbers have no point.
        let text = Value::Text(value.to_string());
        Entry::new(self.key(), text, Origin::Option(format!("--{}", self.key())))
    }
}

/// A point in words.
pub(super) fn describe(point: &Point) -> String {
    let words = point.iter().map(|(parameter, value)| format!("{} {value}", String::from(*parameter)));
    words.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use recon::settings::find;

    #[test]
    fn points_are_written_by_name() {
        let parameters = Parameter::of(find("score").expect("a method"));
        let point: Point = parameters.filter(|p| p.key().starts_with('s')).map(|p| (p, 0.5)).collect();
        let text = serde_json::to_string(&point).expect("text");
        assert_eq!(text, r#"{"sigma_end":0.5,"sigma_start":0.5}"#);
        assert_eq!(serde_json::from_str::<Point>(&text).expect("read"), point);
        assert_eq!(describe(&point), "sigma_end 0.5, sigma_start 0.5");
        assert!(serde_json::from_str::<Point>(r#"{"steps": 3}"#).is_err());
    }
}
