//! Warnings about scans that a score model does not know.

use crate::{SliceRecord, Task};

/// From this share of pixels on, values that a model was not trained on are worth a warning.
const OUTSIDE: f64 = 0.01;

/// A line for every way in which slices are unlike those that the model was trained on.
///
/// `low` and `high` are the least and the largest denoising error of slices that it knows; `first` is the number of the
/// first slice in its scan.
pub fn warnings([low, high]: [f64; 2], records: &[SliceRecord], (task, first): (Task, usize)) -> Vec<String> {
    let tried = || (first..).zip(records).filter_map(|(k, record)| Some((k, record.typicality?)));
    let strange: Vec<_> = tried().filter(|(_, t)| !(low..=high).contains(&t.denoising_error)).collect();
    let outside: Vec<_> = tried().filter(|(_, t)| t.outside > OUTSIDE).collect();
    let mut lines = Vec::new();
    if let Some((_, first)) = strange.first() {
        lines.push(format!(
            "{}: unlike what the model was trained on (denoising error {:.3}, usual {low:.3} to {high:.3}); details may \
             be invented, compare with a classical method",
            slices(&strange),
            first.denoising_error
        ));
    }
    if let Some((_, first)) = outside.first() {
        lines.push(format!(
            "{}: {:.0} % of pixels have values that the model was not trained on; {}",
            slices(&outside),
            100.0 * first.outside,
            match task {
                Task::Denoise => "check --modality, --unit and --noise-std",
                Task::Ct | Task::Mar => "check --unit and the scale of the input",
                Task::Mri => "MR magnitudes are never negative and have few outliers",
            }
        ));
    }
    lines
}

/// A line for every reason why slices were reconstructed by another method than the one asked for; `first` is the number of the
/// first slice in its scan.
pub fn remarks(records: &[SliceRecord], first: usize) -> Vec<String> {
    let mut found: Vec<(&str, Vec<(usize, ())>)> = Vec::new();
    for (k, record) in (first..).zip(records) {
        let Some(remark) = &record.remark else { continue };
        match found.iter_mut().find(|(known, _)| known == remark) {
            Some((_, numbers)) => numbers.push((k, ())),
            None => found.push((remark, vec![(k, ())])),
        }
    }
    let line = |(remark, numbers): &(&str, Vec<_>)| match numbers.len() == records.len() {
        true => (*remark).to_owned(),
        false => format!("{}: {remark}", slices(numbers)),
    };
    found.iter().map(line).collect()
}

/// Which slices, in few words.
fn slices<T>(found: &[(usize, T)]) -> String {
    const SHOWN: usize = 5;
    let numbers: Vec<String> = found.iter().take(SHOWN).map(|(k, _)| k.to_string()).collect();
    match found.len() {
        1 => format!("slice {}", numbers[0]),
        count if count <= SHOWN => format!("slices {}", numbers.join(", ")),
        count => format!("{count} slices ({}, ...)", numbers.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Typicality;

    fn record(denoising_error: f64, outside: f64) -> SliceRecord {
        SliceRecord {
            network_calls: 1,
            seconds: 1.0,
            null_space_share: None,
            noise_std: None,
            expected_gain: None,
            remark: None,
            typicality: Some(Typicality { denoising_error, outside }),
            data_residual: None,
        }
    }

    #[test]
    fn every_reason_is_told_once() {
        let remarked =
            |remark: Option<&str>| SliceRecord { remark: remark.map(str::to_owned), ..record(0.1, 0.0) };
        assert!(remarks(&[remarked(None)], 0).is_empty());
        let all = [remarked(Some("a")), remarked(Some("a"))];
        assert_eq!(remarks(&all, 7), ["a"]);
        let some = [remarked(Some("a")), remarked(None), remarked(Some("a")), remarked(Some("b"))];
        assert_eq!(remarks(&some, 7), ["slices 7, 9: a", "slice 10: b"]);
    }

    #[test]
    fn strange_slices_are_named_and_others_are_not() {
        let typical = [0.1, 0.2];
        assert!(warnings(typical, &[record(0.1, 0.0), record(0.2, 0.01)], (Task::Ct, 0)).is_empty());
        let found =
            warnings(typical, &[record(0.15, 0.5), record(0.3, 0.0), record(0.05, 0.0)], (Task::Mri, 0));
        assert!(found[0].starts_with("slices 1, 2: ") && found[0].contains("0.300"), "{found:?}");
        assert!(found[1].starts_with("slice 0: 50 %"), "{found:?}");
        let many = warnings(typical, &vec![record(1.0, 0.0); 8], (Task::Ct, 10));
        assert!(many[0].starts_with("8 slices (10, 11, 12, 13, 14, ...)"), "{many:?}");
    }
}
