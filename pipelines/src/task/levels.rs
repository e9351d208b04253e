//! The noise levels of repeats, slice by slice: told or found, and what is said of them.

use super::noise::{Estimator, NoiseLevels};
use super::{Images, Remarks};
use crate::Refused;
use anyhow::Result;
use recon_data::{Modality, Unit};
use std::collections::BTreeMap;
use std::path::Path;

/// `√v = (Σ σ_i⁻²)^(−1/2)`, the noise that is left in the weighted mean; 0 if one of them is.
pub(super) fn effective(std: &[f64]) -> f64 {
    let precision: f64 = std.iter().map(|std| std.powi(-2)).sum();
    precision.powf(-0.5)
}

/// The noise levels that were told, for every slice.
pub(super) fn told(given: &[f64], repeats: &[Images], remarks: &mut Remarks) -> Vec<Vec<f64>> {
    let each: Vec<f64> = (0..repeats.len()).map(|i| given[i.min(given.len() - 1)]).collect();
    let unit = unit_words(repeats[0].unit());
    let all = each.iter().map(|&std| rounded(std)).collect::<Vec<_>>().join(", ");
    remarks.note(format!("noise {all}{unit} as given; {}", combined(&each, unit)));
    vec![each; repeats[0].shape()[0]]
}

/// The noise levels of every slice, from the images.
///
/// # Errors
/// When a slice cannot be read, or nothing varies in any.
pub(super) fn estimated(
    repeats: &[Images],
    modality: Modality,
    path: &Path,
    remarks: &mut Remarks,
) -> Result<Vec<Vec<f64>>> {
    let slices = repeats[0].shape()[0];
    let of_slice = |k: usize| {
        let images = repeats.iter().map(|repeat| repeat.slice(k)).collect::<Result<Vec<_>>>()?;
        Ok(NoiseLevels::of(&images, modality == Modality::Mr))
    };
    let found = (0..slices).map(of_slice).collect::<Result<Vec<_>>>()?;
    let (seen, blank): (Vec<_>, Vec<_>) =
        found.iter().partition(|levels| levels.std.iter().all(|&std| std > 0.0));
    if seen.is_empty() {
        let message = "no noise can be seen in it; say with --noise-std how much there is";
        return Err(Refused::Input(format!("{}: {message}", path.display())).into());
    }
    let mut by_estimator: BTreeMap<Estimator, Vec<&NoiseLevels>> = BTreeMap::new();
    seen.iter().for_each(|levels| by_estimator.entry(levels.by).or_default().push(levels));
    for (estimator, levels) in by_estimator {
        remarks.note(described(estimator, &levels, unit_words(repeats[0].unit())));
    }
    if !blank.is_empty() {
        remarks.note(format!("{} of {slices} slices show no noise and are only averaged", blank.len()));
    }
    Ok(found.into_iter().map(|levels| levels.std).collect())
}

/// The estimates of one kind in words: the middle of every image's, and where they lie.
fn described(estimator: Estimator, levels: &[&NoiseLevels], unit: &str) -> String {
    let images = levels[0].std.len();
    let sorted = |i: usize| {
        let mut all: Vec<f64> = levels.iter().map(|levels| levels.std[i]).collect();
        all.sort_unstable_by(f64::total_cmp);
        all
    };
    let middle: Vec<f64> = (0..images).map(sorted).map(|all| all[all.len() / 2]).collect();
    let one = |i: usize| {
        let all = sorted(i);
        match all[..] {
            [low, .., high] => {
                format!("{} ({} to {})", rounded(middle[i]), rounded(low), rounded(high))
            }
            _ => rounded(middle[i]),
        }
    };
    let words = (0..images).map(one).collect::<Vec<_>>().join(", ");
    let slices = if levels.len() > 1 { format!(" in {} slices", levels.len()) } else { String::new() };
    format!("noise {words}{unit}{slices}, estimated from {estimator}; {}", combined(&middle, unit))
}

fn combined(each: &[f64], unit: &str) -> String {
    match each {
        [_] => "one image".to_owned(),
        _ => format!("{} repeats together have {}{unit}", each.len(), rounded(effective(each))),
    }
}

/// Three digits, which is more than is known.
fn rounded(value: f64) -> String {
    format!("{value:.2e}").parse::<f64>().unwrap_or(value).to_string()
}

fn unit_words(unit: Unit) -> &'static str {
    match unit {
        Unit::Hounsfield => " HU",
        Unit::Attenuation => "/mm",
        Unit::Arbitrary => "",
    }
}
