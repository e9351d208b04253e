//! Names of BIDS: which images are wanted, and what their derivatives are called.

use crate::Task;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Which images of a dataset are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BidsFilter {
    /// Labels of subjects; all without any.
    pub subjects: Vec<String>,
    /// Labels of sessions; all without any.
    pub sessions: Vec<String>,
    /// An image fits one of them; all do without any.
    pub queries: Vec<BidsQuery>,
}

/// Values of entities, by their long names, and of `suffix` and `datatype`.
pub type BidsQuery = BTreeMap<String, OneOf>;

/// A value or several, or that there is none.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum OneOf {
    /// The entity is not there.
    None(()),
    /// This value.
    One(String),
    /// One of these.
    Several(Vec<String>),
    /// This number.
    Number(u64),
}

/// Suffixes of anatomical MR images.
const ANATOMICAL: [&str; 12] = [
    "T1w",
    "T2w",
    "PDw",
    "FLAIR",
    "T2starw",
    "inplaneT1",
    "inplaneT2",
    "PDT2",
    "UNIT1",
    "angio",
    "MP2RAGE",
    "T1rho",
];
/// Long names of entities whose short ones are not the same.
const SHORT: [(&str, &str); 8] = [
    ("subject", "sub"),
    ("session", "ses"),
    ("acquisition", "acq"),
    ("reconstruction", "rec"),
    ("ceagent", "ce"),
    ("direction", "dir"),
    ("description", "desc"),
    ("inversion", "inv"),
];
/// Folders of a dataset that hold no images of its own.
const OTHERS: [&str; 3] = ["derivatives", "sourcedata", "code"];

/// The suffix in a name: `T1w` in `sub-1_T1w.nii.gz`.
fn suffix(name: &str) -> &str {
    let stem = name.split('.').next().unwrap_or_default();
    stem.rsplit('_').next().unwrap_or_default()
}

/// The value of an entity in a name: `1` for `sub` in `sub-1_T1w.nii.gz`.
fn entity<'a>(name: &'a str, key: &str) -> Option<&'a str> {
    let stem = name.split('.').next().unwrap_or_default();
    stem.split('_').find_map(|part| part.strip_prefix(key)?.strip_prefix('-'))
}

/// Whether a file of a dataset is an image of the task: anatomical MRI, or CT, of a subject.
pub(super) fn is_image(file: &Path, below: &Path, task: Option<Task>) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let takes = |others: &[Task]| task.is_none_or(|task| task == Task::Denoise || others.contains(&task));
    let of_mri = takes(&[Task::Mri]) && ANATOMICAL.contains(&suffix(&name));
    let of_ct = takes(&[Task::Ct, Task::Mar]) && suffix(&name).eq_ignore_ascii_case("ct");
    let other = below.components().any(|part| OTHERS.iter().any(|other| part.as_os_str() == *other));
    name.starts_with("sub-") && !other && (of_mri || of_ct)
}

impl BidsFilter {
    /// Whether an image is wanted.
    pub(super) fn wants(&self, below: &Path) -> bool {
        let name = below.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let one_of = |labels: &[String], key: &str| {
            labels.is_empty()
                || entity(&name, key).is_some_and(|label| labels.iter().any(|wanted| wanted == label))
        };
        let fits = |query: &BidsQuery| query.iter().all(|(key, wanted)| fits(below, &name, key, wanted));
        one_of(&self.subjects, "sub")
            && one_of(&self.sessions, "ses")
            && (self.queries.is_empty() || self.queries.iter().any(fits))
    }
}

fn fits(below: &Path, name: &str, key: &str, wanted: &OneOf) -> bool {
    let found = match key {
        "suffix" => Some(suffix(name).to_owned()),
        "datatype" => {
            below.parent().and_then(Path::file_name).map(|folder| folder.to_string_lossy().into_owned())
        }
        "extension" => name.find('.').map(|dot| name[dot..].to_owned()),
        key => {
            let short =
                SHORT.iter().find_map(|(long, short)| (*long == key).then_some(*short)).unwrap_or(key);
            entity(name, short).map(str::to_owned)
        }
    };
    match wanted {
        OneOf::None(()) => found.is_none(),
        OneOf::One(value) => found.as_deref() == Some(value),
        OneOf::Several(values) => found.is_some_and(|found| values.contains(&found)),
        OneOf::Number(number) => found.and_then(|found| found.parse().ok()) == Some(*number),
    }
}

/// What the derivative of an image is called, without its ending: `anat/sub-1_T1w.nii.gz` gives
/// `anat/sub-1_desc-recon_T1w`.
pub(super) fn derivative(below: &Path) -> PathBuf {
    let name = below.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let stem = name.split('.').next().unwrap_or_default();
    let derived = match stem.rsplit_once('_') {
        Some((entities, suffix)) => format!("{entities}_desc-recon_{suffix}"),
        None => format!("{stem}_desc-recon"),
    };
    below.with_file_name(derived)
}

/// What a sidecar of a derivative has to say of its source.
pub(super) fn sidecar(below: &Path) -> Map<String, Value> {
    let keys = json!({
        "Description": "Reconstructed from undersampled measurements that were simulated from the source image",
        "Sources": [format!("bids:raw:{}", below.display())],
        "SkullStripped": false,
    });
    if let Value::Object(keys) = keys { keys } else { Map::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_chosen_by_labels_and_queries() {
        let path = Path::new("sub-01/ses-2/anat/sub-01_ses-2_acq-fast_run-03_T1w.nii.gz");
        assert!(is_image(path, path, Some(Task::Mri)) && !is_image(path, path, Some(Task::Ct)));
        let filter = |text: &str| {
            let queries: BTreeMap<String, BidsQuery> = serde_json::from_str(text).expect("queries");
            BidsFilter { queries: queries.into_values().collect(), ..BidsFilter::default() }
        };
        for (text, wanted) in [
            (r#"{"a": {"suffix": "T1w", "acquisition": ["slow", "fast"]}}"#, true),
            (r#"{"a": {"suffix": "T2w"}, "b": {"datatype": "anat", "run": 3}}"#, true),
            (r#"{"a": {"ceagent": null}}"#, true),
            (r#"{"a": {"session": "1"}}"#, false),
        ] {
            assert_eq!(filter(text).wants(path), wanted, "{text}");
        }
        assert!(!BidsFilter { subjects: vec!["02".into()], ..BidsFilter::default() }.wants(path));
    }

    #[test]
    fn a_derivative_is_called_as_bids_has_it() {
        let path = derivative(Path::new("sub-1/anat/sub-1_T1w.nii.gz"));
        assert_eq!(path, Path::new("sub-1/anat/sub-1_desc-recon_T1w"));
        assert_eq!(sidecar(Path::new("sub-1/anat/a.nii"))["Sources"][0], "bids:raw:sub-1/anat/a.nii");
    }
}
