//! The plan of a batch: which inputs, what is done with them, and where results go.

use super::bids::BidsFilter;
use crate::Task;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A plan as its file says it: what holds for all entries, and the entries, which may say otherwise.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// What is reconstructed; of DICOM files the modality says it.
    pub task: Option<Task>,
    /// The method; the default of the task without it.
    pub method: Option<String>,
    /// Where results go; `out` beside the plan without it.
    pub output_dir: Option<PathBuf>,
    /// The names of results, as names in braces that are filled in.
    pub output: Option<String>,
    /// Long options of the task's command, by name.
    #[serde(default)]
    pub options: Options,
    /// Which images of BIDS datasets are wanted.
    #[serde(skip)]
    pub bids: Option<BidsFilter>,
    /// The entries.
    #[serde(default, rename = "case")]
    pub entries: Vec<Entry>,
}

/// Options of a command, by their long names.
pub type Options = BTreeMap<String, Value>;

/// Inputs that are treated alike.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// A file, a glob, a folder of images or DICOM series, a BIDS dataset or a manifest; or several. Left out where an option
    /// names measured data.
    #[serde(default)]
    pub input: Inputs,
    /// What is reconstructed.
    pub task: Option<Task>,
    /// The method.
    pub method: Option<String>,
    /// Where results go.
    pub output_dir: Option<PathBuf>,
    /// The names of results.
    pub output: Option<String>,
    /// Long options of the task's command, by name.
    #[serde(default)]
    pub options: Options,
    /// Those of the plan, which the command of another task need not have.
    #[serde(skip)]
    pub inherited: Options,
}

/// One text or several.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Inputs {
    /// One.
    One(String),
    /// Several.
    Several(Vec<String>),
}

impl Default for Inputs {
    fn default() -> Self {
        Self::Several(Vec::new())
    }
}

impl Inputs {
    /// All of them.
    pub fn texts(&self) -> &[String] {
        match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::Several(texts) => texts,
        }
    }
}

impl Plan {
    /// What holds for an entry: what it says itself, over what the plan says.
    pub(super) fn over(&self, entry: &Entry) -> Entry {
        let base = Entry {
            input: Inputs::default(),
            task: self.task,
            method: self.method.clone(),
            output_dir: self.output_dir.clone(),
            output: self.output.clone(),
            options: Options::new(),
            inherited: self.options.clone(),
        };
        entry.over(&base)
    }
}

impl Entry {
    /// The same with what `base` says where it says nothing itself.
    pub(super) fn over(&self, base: &Self) -> Self {
        let mut options = base.options.clone();
        options.extend(self.options.clone());
        Self {
            input: self.input.clone(),
            task: self.task.or(base.task),
            method: self.method.clone().or_else(|| base.method.clone()),
            output_dir: self.output_dir.clone().or_else(|| base.output_dir.clone()),
            output: self.output.clone().or_else(|| base.output.clone()),
            options,
            inherited: base.inherited.clone(),
        }
    }

    /// The measured data that an option names.
    pub(super) fn measured(&self) -> Option<&str> {
        ["sinogram", "kspace"].into_iter().find_map(|key| self.options.get(key)?.as_str())
    }
}

/// An option as words of a command line; what is `false` is left out.
pub fn words(key: &str, value: &Value) -> Vec<String> {
    let name = format!("--{key}");
    match value {
        Value::Bool(true) => vec![name],
        Value::Bool(false) | Value::Null => Vec::new(),
        Value::Array(values) => values.iter().flat_map(|value| words(key, value)).collect(),
        Value::String(text) => vec![format!("{name}={text}")],
        other => vec![format!("{name}={other}")],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_entry_says_more_than_its_plan() {
        let plan: Plan = serde_json::from_value(json!({
            "task": "ct", "method": "fbp", "options": { "views": 60, "seed": 1 },
            "case": [{ "input": "a.npy" }, { "input": ["b.npy"], "method": "tv", "options": { "views": 9 } }]
        }))
        .expect("a plan");
        let [first, second] = &plan.entries[..] else { panic!("two entries") };
        assert_eq!(plan.over(first).method.as_deref(), Some("fbp"));
        let second = plan.over(second);
        assert_eq!((second.task, second.method.as_deref()), (Some(Task::Ct), Some("tv")));
        assert_eq!((&second.options["views"], &second.inherited["seed"]), (&json!(9), &json!(1)));
        assert!(serde_json::from_value::<Plan>(json!({ "taks": "ct" })).is_err());
    }

    #[test]
    fn options_become_words() {
        assert_eq!(words("views", &json!(9)), ["--views=9"]);
        assert_eq!(words("null-space", &json!(true)), ["--null-space"]);
        assert!(words("null-space", &json!(false)).is_empty());
        assert_eq!(words("set", &json!(["a=1", "b=2"])), ["--set=a=1", "--set=b=2"]);
    }
}
