//! Where settings come from, and what comes of all of them.

use super::conditional::FALLBACK;
use super::learned::samples;
use super::{ConditionalSpec, MethodSpec, SamplerSpec, infos};
use crate::knobs::{Info, SAMPLES, SettingError, Table};
use recon_pipelines::{Refused, Task};
use std::path::PathBuf;

/// Who says a value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The card of a model.
    Card(String),
    /// A config file.
    File(PathBuf),
    /// An environment variable.
    Environment(String),
    /// The command line: the option, with its key where it is `--set`.
    Option(String),
}

/// What is said.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// In words, to be read as the setting's range says.
    Text(String),
    /// As a value.
    Typed(toml::Value),
}

/// One setting as somebody says it.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The method that it is meant for alone; none means whichever runs.
    pub method: Option<String>,
    /// The setting.
    pub key: String,
    /// Its value.
    pub value: Value,
    /// Who says so.
    pub origin: Origin,
}

/// Everything that is said about settings. The command line wins over the environment, that over the config file, that
/// over the card of the model, and all of them over the program.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    entries: Vec<Entry>,
}

impl Entry {
    /// An entry from `KEY` or `METHOD.KEY`.
    ///
    /// # Errors
    /// When there is no such method, or no method has such a setting.
    pub fn new(name: &str, value: Value, origin: Origin) -> Result<Self, Refused> {
        let (method, key) = match name.split_once('.') {
            Some((method, key)) => (Some(method), key),
            None => (None, name),
        };
        let key = key.replace('_', "-");
        let unknown = |what: String| Refused::Usage(format!("{origin}: {what}"));
        let method = match method.map(|method| (method, super::find(method))) {
            Some((method, None)) => {
                return Err(unknown(format!("there is no method {method}; see recon help")));
            }
            Some((_, Some(info))) if info.knob(&key).is_none() => {
                return Err(unknown(format!(
                    "method {} has no setting {key}; see recon help {}",
                    info.name, info.name
                )));
            }
            Some((_, Some(info))) => Some(info.name.to_owned()),
            None if !infos().any(|info| info.knob(&key).is_some()) => {
                return Err(unknown(format!("no method has a setting {key}; see recon help METHOD")));
            }
            None => None,
        };
        Ok(Self { method, key, value, origin })
    }
}

impl Layers {
    /// Adds what somebody says.
    pub fn push(&mut self, entry: Entry) {
        self.entries.push(entry);
        // The sort is stable: of one origin the last word counts.
        self.entries.sort_by_key(|entry| rank(&entry.origin));
    }

    /// The same with more said.
    #[must_use]
    pub fn with(mut self, entries: impl IntoIterator<Item = Entry>) -> Self {
        entries.into_iter().for_each(|entry| self.push(entry));
        self
    }

    /// The same with what the card of a model says of these settings of a method, where nobody else says it: they stay so
    /// where a method is resolved without what was found for the model.
    #[must_use]
    pub fn holding(self, info: &Info, card: &[Entry], keys: &[&str]) -> Self {
        let is_held = |entry: &&Entry| {
            keys.contains(&entry.key.as_str())
                && entry.concerns(info)
                && self.said(info, &entry.key).is_none()
        };
        let held: Vec<Entry> = card.iter().filter(is_held).cloned().collect();
        self.with(held)
    }

    /// The same with the setting `KEY` or `METHOD.KEY` at this value.
    ///
    /// # Errors
    /// As [`Entry::new`].
    pub fn set(self, name: &str, value: impl Into<toml::Value>) -> Result<Self, Refused> {
        let origin = Origin::Option(name.to_owned());
        Ok(self.with([Entry::new(name, Value::Typed(value.into()), origin)?]))
    }

    /// What is said about methods by their names alone.
    #[must_use]
    pub fn naming_methods(&self) -> Self {
        Self { entries: self.entries.iter().filter(|entry| entry.method.is_some()).cloned().collect() }
    }

    /// What somebody says of a setting of a method; the strongest word.
    pub fn said(&self, info: &Info, key: &str) -> Option<&Entry> {
        self.entries.iter().rev().find(|entry| entry.key == key && entry.concerns(info))
    }

    /// The text that is said of a setting of a method.
    pub fn text(&self, info: &Info, key: &str) -> Option<String> {
        self.said(info, key).map(|entry| match &entry.value {
            Value::Text(text) => text.clone(),
            Value::Typed(value) => value.as_str().map_or_else(|| value.to_string(), str::to_owned),
        })
    }

    /// Whether something is said, meant for no method by name, that `other` does and `info` does not: a setting that only
    /// `other` has, or several samples where `info` finds one estimate.
    pub fn asks_for_more(&self, info: &Info, other: &Info) -> bool {
        let is_more = |entry: &Entry| {
            info.knob(&entry.key).is_none() && other.knob(&entry.key).is_some()
                || entry.key == SAMPLES && !matches!(self.text(other, SAMPLES).as_deref(), Some("1"))
        };
        self.entries.iter().any(|entry| entry.method.is_none() && is_more(entry))
    }

    /// Refuses settings that none of these methods has, unless they are meant for another one by name.
    ///
    /// # Errors
    /// Names who says so.
    pub fn check_any(&self, methods: &[&Info]) -> Result<(), Refused> {
        let idle = |entry: &&Entry| {
            entry.method.is_none() && !methods.iter().any(|info| info.knob(&entry.key).is_some())
        };
        match self.entries.iter().find(idle) {
            Some(Entry { origin, .. }) => Err(Refused::Usage(format!(
                "{origin}: does nothing with this --method; leave it out or choose another method"
            ))),
            None => Ok(()),
        }
    }

    /// The method of this name with everything that is said about it, over the program's settings for a task. `card` is
    /// what the card of its model says.
    ///
    /// # Errors
    /// Names who says what cannot be.
    pub fn resolve(&self, name: &str, task: Task, card: &[Entry]) -> Result<MethodSpec, Refused> {
        let wrong = |error: SettingError| Refused::Usage(format!("--{error}"));
        let info = MethodSpec::info_for(name, task).map_err(wrong)?;
        self.check_any(&[info])?;
        self.given(info, task, card)
    }

    /// As [`Layers::resolve`], but what the method does not have is left to others that run beside it.
    ///
    /// # Errors
    /// As [`Layers::resolve`].
    pub fn resolve_among(&self, name: &str, task: Task, card: &[Entry]) -> Result<MethodSpec, Refused> {
        let wrong = |error: SettingError| Refused::Usage(format!("--{error}"));
        let info = MethodSpec::info_for(name, task).map_err(wrong)?;
        self.given(info, task, card)
    }

    fn given(&self, info: &'static Info, task: Task, card: &[Entry]) -> Result<MethodSpec, Refused> {
        let said = self.entries.iter().filter(|entry| entry.concerns(info)).collect::<Vec<_>>();
        let explicit = table(info, &said)?;
        let several = samples(&explicit) > 1;
        let holds = |entry: &&Entry| {
            entry.concerns(info) && (!several || SamplerSpec::holds_for_samples(info.name, &entry.key))
        };
        let mut given = table(info, &card.iter().filter(holds).collect::<Vec<_>>())?;
        given.extend(explicit.clone());
        if info.name == ConditionalSpec::INFO.name {
            given.insert(FALLBACK.to_owned(), self.fallback(card)?.into());
        }
        if let Some(keys) = SamplerSpec::shared_with_estimate(info.name).filter(|_| several) {
            let mut point = table(info, &card.iter().collect::<Vec<_>>())?;
            point.extend(explicit.into_iter().filter(|(key, _)| keys.contains(&key.as_str())));
            given.insert("around".to_owned(), point.into());
        }
        MethodSpec::given(info.name, task, given).map_err(|error| self.blame(info, card, &error))
    }

    /// What is said by name about the method that stands in where a conditional prior cannot be used.
    fn fallback(&self, card: &[Entry]) -> Result<Table, Refused> {
        let info = ConditionalSpec::FALLBACK_INFO;
        let named = |entry: &&Entry| entry.method.as_deref() == Some(info.name);
        table(info, &card.iter().chain(&self.entries).filter(named).collect::<Vec<_>>())
    }

    /// Who said the setting that is wrong.
    fn blame(&self, info: &Info, card: &[Entry], error: &SettingError) -> Refused {
        let SettingError { key, message } = error;
        let on_card = || card.iter().find(|entry| entry.key == *key);
        let origin = self.said(info, key).or_else(on_card).map(|entry| entry.origin.to_string());
        Refused::Usage(format!("{}: {message}", origin.unwrap_or_else(|| format!("--{key}"))))
    }
}

impl Entry {
    /// Whether it is about a method: it has such a setting, and nobody else was meant.
    fn concerns(&self, info: &Info) -> bool {
        self.method.as_ref().is_none_or(|method| method == info.name) && info.knob(&self.key).is_some()
    }
}

/// What these entries say, the last word first heard.
fn table(info: &Info, entries: &[&Entry]) -> Result<Table, Refused> {
    let mut table = Table::new();
    for entry in entries {
        let Some(knob) = info.knob(&entry.key) else { continue };
        let (value, shown) = match &entry.value {
            Value::Text(text) => (knob.range.parse(text), text.clone()),
            Value::Typed(value) => (knob.range.checked(value.clone()), value.to_string()),
        };
        let wrong = |expected: String| Refused::Usage(format!("{} {shown}: {expected}", entry.origin));
        let checked = value.and_then(|value| knob.range.checked(value));
        table.insert(entry.key.clone(), checked.map_err(wrong)?);
    }
    Ok(table)
}

fn rank(origin: &Origin) -> usize {
    match origin {
        Origin::Card(_) => 0,
        Origin::File(_) => 1,
        Origin::Environment(_) => 2,
        Origin::Option(_) => 3,
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Card(words) | Self::Environment(words) | Self::Option(words) => f.write_str(words),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn option(name: &str, value: &str) -> Entry {
        let origin = Origin::Option(format!("--{name}"));
        Entry::new(name, Value::Text(value.to_owned()), origin).expect("a setting")
    }

    fn variable(name: &str, value: &str) -> Entry {
        Entry { origin: Origin::Environment(format!("RECON_{name}")), ..option(name, value) }
    }

    fn card(settings: &[(&str, f64)]) -> Vec<Entry> {
        let entry = |&(key, value): &(&str, f64)| {
            let origin = Origin::Card("model mine".to_owned());
            Entry::new(key, Value::Typed(value.into()), origin).expect("a setting")
        };
        settings.iter().map(entry).collect()
    }

    fn resolve(entries: &[Entry], card: &[Entry]) -> Result<Table, String> {
        let layers = Layers::default().with(entries.iter().cloned());
        layers.resolve("score", Task::Ct, card).map(|spec| spec.table().0).map_err(|error| error.to_string())
    }

    #[test]
    fn the_command_line_wins_over_the_environment_and_both_over_the_card() {
        let card = card(&[("sigma-start", 0.4), ("sigma-end", 0.01)]);
        let found =
            resolve(&[option("sigma-end", "0.02"), variable("sigma-end", "0.03")], &card).expect("good");
        assert_eq!((found["sigma-start"].as_float(), found["sigma-end"].as_float()), (Some(0.4), Some(0.02)));
        let found = resolve(&[variable("sigma-end", "0.03")], &card).expect("good");
        assert_eq!(found["sigma-end"].as_float(), Some(0.03));
    }

    #[test]
    fn what_is_held_is_still_the_cards_word() {
        let card = card(&[("sigma-start", 0.001), ("sigma-end", 0.02)]);
        let info = crate::settings::find("score").expect("a method");
        let held = |layers: Layers| {
            let layers = layers.holding(info, &card, &["sigma-start"]);
            layers.resolve("score", Task::Ct, &[]).map(|spec| spec.table().0).map_err(|e| e.to_string())
        };
        assert!(held(Layers::default()).is_err_and(|e| e.starts_with("model mine: ")));
        let found = held(Layers::default().with([option("sigma-start", "0.4")])).expect("the user's word");
        assert_eq!(found["sigma-start"].as_float(), Some(0.4));
        assert_ne!(found["sigma-end"].as_float(), Some(0.02), "it is not held");
    }

    #[test]
    fn levels_for_one_estimate_say_nothing_about_samples() {
        let card = card(&[("sigma-start", 0.4), ("sigma-end", 0.01), ("data-weight", 77.0)]);
        let found = resolve(&[option("samples", "3"), option("data-weight", "5")], &card).expect("good");
        assert_eq!(
            (found["sigma-start"].as_float(), found["data-weight"].as_float()),
            (Some(0.25), Some(5.0))
        );
        let around = found["around"].as_table().expect("a point estimate");
        assert_eq!(
            (around["sigma-start"].as_float(), around["data-weight"].as_float()),
            (Some(0.4), Some(5.0))
        );
    }

    #[test]
    fn who_says_what_cannot_be_is_named() {
        let refused = |entries: &[Entry]| resolve(entries, &[]).expect_err("impossible");
        assert!(refused(&[option("sigma-start", "0.001")]).starts_with("--sigma-start: "));
        assert!(
            refused(&[variable("steps", "no")])
                .starts_with("RECON_steps no: does not fit; give a whole number")
        );
        assert!(refused(&[option("snr", "0.1")]).starts_with("--snr: does nothing with this --method"));
        let layers = Layers::default().with([option("pc.snr", "0.1")]);
        assert!(layers.resolve("score", Task::Ct, &[]).is_ok(), "it is meant for another method");
        let origin = || Origin::Option("--set".to_owned());
        assert!(Entry::new("viewz", Value::Text("1".into()), origin()).is_err());
        assert!(Entry::new("tv.momentum", Value::Text("1".into()), origin()).is_err());
    }
}
