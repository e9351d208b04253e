//! A plan to its cases: every input once, with everything that is said of it and the name of its result.

use super::bids::{self, BidsFilter};
use super::find::{Finds, Found};
use super::pattern::{Values, filled};
use super::plan::{Entry, Options, Plan};
use crate::Task;
use recon_data::{Modality, default_output};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A case of a plan, before anybody has looked at its options.
#[derive(Clone, Debug, PartialEq)]
pub struct Planned {
    /// The image, or none where an option names measured data.
    pub input: Option<Found>,
    /// What it is called in messages: where it was found.
    pub name: String,
    /// What is reconstructed.
    pub task: Task,
    /// The method, where one is named.
    pub method: Option<String>,
    /// Options of the task's command.
    pub options: Options,
    /// Options of the whole plan: those that the command does not have belong to other cases.
    pub inherited: Options,
    /// The folder of outputs.
    pub output_dir: PathBuf,
    /// Where the result goes, below that folder.
    pub output: PathBuf,
    /// What its sidecar says besides.
    pub sidecar: Map<String, Value>,
}

/// What a plan amounts to.
#[derive(Debug, Default)]
pub struct Expansion {
    /// The cases in the order of the plan.
    pub cases: Vec<Planned>,
    /// What was found and is no scan, with the reason.
    pub left_out: Vec<(PathBuf, &'static str)>,
    /// Everything that is wrong with it, a line each.
    pub problems: Vec<String>,
}

/// Where results go that nobody said anything about.
const OUTPUT_DIR: &str = "out";
/// What they are called.
const OUTPUT: &str = "{stem}_recon{ext}";

impl Expansion {
    /// The cases of a plan, whose relative paths are taken from `folder`.
    pub fn of(plan: &Plan, folder: &Path) -> Self {
        let mut expansion = Self::default();
        if plan.entries.is_empty() {
            expansion.problems.push("the plan has no [[case]]; name inputs in one".to_owned());
        }
        for (number, entry) in plan.entries.iter().enumerate() {
            if let Err(what) = expansion.add(&plan.over(entry), plan.bids.as_ref(), folder) {
                expansion.problems.push(format!("case {}: {what}", number + 1));
            }
        }
        expansion.check_outputs();
        expansion
    }

    fn add(&mut self, entry: &Entry, filter: Option<&BidsFilter>, folder: &Path) -> Result<(), String> {
        let output_dir = folder.join(entry.output_dir.as_deref().unwrap_or(Path::new(OUTPUT_DIR)));
        let texts = entry.input.texts();
        if let Some(measured) = entry.measured() {
            let path = folder.join(measured);
            let case = self.planned(entry, (None, &path), (&output_dir, filter))?;
            self.cases.push(case);
            return Ok(());
        }
        if texts.is_empty() {
            return Err("names no input; give input, or an option such as sinogram or kspace".to_owned());
        }
        for text in texts {
            let finds = Finds::of(text, entry.task, (folder, &output_dir))?;
            self.left_out.extend(finds.left_out);
            let wanted = |found: &Found| filter.is_none_or(|filter| filter.wants(&found.below));
            for found in finds.inputs.into_iter().filter(wanted) {
                let said = found.said.over(entry);
                let own = found.said.output_dir.as_ref().map(|own| folder.join(own));
                let output_dir = own.as_ref().unwrap_or(&output_dir);
                let path = found.path.clone();
                match self.planned(&said, (Some(found), &path), (output_dir, filter)) {
                    Ok(case) => self.cases.push(case),
                    Err(what) => self.problems.push(format!("{}: {what}", path.display())),
                }
            }
        }
        Ok(())
    }

    fn planned(
        &self,
        entry: &Entry,
        (found, path): (Option<Found>, &Path),
        (output_dir, filter): (&Path, Option<&BidsFilter>),
    ) -> Result<Planned, String> {
        let task = entry.task.or_else(|| task_of(found.as_ref()?.modality?));
        let task =
            task.ok_or("does not say what it is; add task = \"ct\", \"mri\", \"mar\" or \"denoise\"")?;
        let method = entry.method.clone();
        let values = values(path, found.as_ref(), (task, method.as_deref(), self.cases.len() + 1));
        let output = filled(entry.output.as_deref().unwrap_or(OUTPUT), &values)?;
        let below = found.as_ref().map_or(path, |found| &found.below);
        let name = below.to_string_lossy().into_owned();
        let (options, inherited) = (entry.options.clone(), entry.inherited.clone());
        let output_dir = output_dir.to_owned();
        let sidecar = if filter.is_some() { bids::sidecar(below) } else { Map::new() };
        Ok(Planned { input: found, name, task, method, options, inherited, output_dir, output, sidecar })
    }

    /// Two cases that write the same file.
    fn check_outputs(&mut self) {
        let mut taken: BTreeMap<PathBuf, &str> = BTreeMap::new();
        for case in &self.cases {
            let path = case.output_dir.join(&case.output);
            if let Some(other) = taken.insert(path.clone(), &case.name) {
                let advice = "add {path}, {folder} or {index} to output";
                self.problems.push(format!(
                    "{}: is the output of {other} and of {}; {advice}",
                    path.display(),
                    case.name
                ));
            }
        }
    }
}

fn task_of(modality: Modality) -> Option<Task> {
    match modality {
        Modality::Ct => Some(Task::Ct),
        Modality::Mr => Some(Task::Mri),
    }
}

fn values<'a>(
    path: &Path,
    found: Option<&Found>,
    (task, method, index): (Task, Option<&str>, usize),
) -> Values<'a> {
    let (stem, ext) = stem_and_ending(path);
    let series = found.and_then(|found| found.series.as_deref());
    let stem = series.map_or_else(|| stem.clone(), |series| format!("{stem}-{series}"));
    let below = found.map_or(path, |found| &found.below);
    let below = match series {
        Some(_) => below.to_owned(),
        None => below.with_file_name(&stem),
    };
    let folder = path.parent().and_then(Path::file_name).unwrap_or_default();
    Values::from([
        ("stem", stem),
        ("ext", ext),
        ("folder", folder.to_string_lossy().into_owned()),
        ("path", below.to_string_lossy().into_owned()),
        ("bids", bids::derivative(found.map_or(path, |found| &found.below)).to_string_lossy().into_owned()),
        ("task", task.name().to_owned()),
        ("method", method.unwrap_or("default").to_owned()),
        ("index", format!("{index:04}")),
    ])
}

/// The name of an input without its ending, and the ending that its result has.
fn stem_and_ending(path: &Path) -> (String, String) {
    const MARK: &str = "\u{1}";
    let output = default_output(path, MARK);
    let name = output.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let (stem, ending) = name.split_once(&format!("_{MARK}")).unwrap_or((&name, ""));
    (stem.to_owned(), ending.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn expanded(plan: serde_json::Value, names: &[&str]) -> Expansion {
        let folder = tempfile::tempdir().expect("a folder");
        for name in names {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            std::fs::write(path, b"x").expect("written");
        }
        Expansion::of(&serde_json::from_value(plan).expect("a plan"), folder.path())
    }

    fn outputs(expansion: &Expansion) -> Vec<String> {
        expansion.cases.iter().map(|case| case.output.to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn every_input_gets_a_case_and_a_name() {
        let plan = json!({ "task": "ct", "case": [{ "input": "*.nii.gz" }, { "input": "b/x.npy", "output": "{folder}/{stem}-{index}.npy" }] });
        let expansion = expanded(plan, &["one.nii.gz", "two.nii.gz", "b/x.npy"]);
        assert_eq!(outputs(&expansion), ["one_recon.nii.gz", "two_recon.nii.gz", "b/x-0003.npy"]);
        assert!(expansion.problems.is_empty(), "{:?}", expansion.problems);
    }

    #[test]
    fn all_problems_are_listed() {
        let plan = json!({ "case": [
            { "input": "none.nii", "task": "ct" }, { "input": "a.nii" }, { "task": "mri" },
            { "input": ["a.nii", "b/a.nii"], "task": "ct" }, { "input": "a.nii", "task": "ct", "output": "{nme}" }
        ] });
        let expansion = expanded(plan, &["a.nii", "b/a.nii"]);
        let all = expansion.problems.join("\n");
        for part in
            ["none.nii: is not there", "does not say what", "names no input", "is the output of", "no {nme}"]
        {
            assert!(all.contains(part), "{all}");
        }
        assert_eq!(expansion.problems.len(), 5);
    }

    #[test]
    fn measured_data_are_named_by_an_option() {
        let plan = json!({ "case": [{ "task": "ct", "options": { "sinogram": "s.npy", "size": "8x8" } }] });
        let expansion = expanded(plan, &[]);
        assert_eq!(outputs(&expansion), ["s_recon.npy"]);
        assert!(expansion.cases[0].input.is_none());
    }
}
