//! Masks against fastMRI and score_inverse_problems.

use crate::common;
use recon_operators::{Sampling, SamplingPlan};
use serde_json::Value;

fn columns(plan: &SamplingPlan, width: usize) -> Vec<usize> {
    let mask = plan.mask(3, width).unwrap();
    assert_eq!(mask.count() % 3, 0);
    (0..width).filter(|&column| mask.kept()[width + column]).collect()
}

fn listed(mask: &Value) -> Vec<usize> {
    mask["columns"].as_array().unwrap().iter().map(|column| column.as_u64().unwrap() as usize).collect()
}

fn number(mask: &Value, key: &str) -> usize {
    mask[key].as_u64().unwrap() as usize
}

#[test]
fn equispaced_masks_are_those_of_fastmri() {
    let json = common::json("masks");
    let masks = json["masks"].as_array().unwrap();
    let mut checked = 0;
    for mask in masks {
        let offset = mask["offset"].as_u64().or(mask["offset_drawn"].as_u64()).unwrap() as usize;
        let sampling = match mask["kind"].as_str().unwrap() {
            "EquispacedMaskFractionFunc" => Sampling::Equispaced,
            "EquiSpacedMaskFunc" => Sampling::EquispacedUncorrected,
            other => panic!("unknown mask {other}"),
        };
        let plan = SamplingPlan {
            sampling,
            center_fraction: mask["center_fraction"].as_f64(),
            offset: Some(offset),
            ..SamplingPlan::equispaced(mask["acceleration"].as_f64().unwrap())
        };
        assert_eq!(columns(&plan, number(mask, "width")), listed(mask), "{mask}");
        // The default centre is the same.
        let default = SamplingPlan { center_fraction: None, ..plan };
        assert_eq!(columns(&default, number(mask, "width")), listed(mask), "{mask}");
        checked += 1;
    }
    assert!(checked > 40);
}

#[test]
fn cartesian_masks_are_those_of_score_inverse_problems() {
    for mask in common::json("cartesian_masks")["masks"].as_array().unwrap() {
        let (size, kept) = (number(mask, "size"), number(mask, "n_keep"));
        let plan = SamplingPlan::score_inverse_problems(size, kept).unwrap();
        assert_eq!(columns(&plan, size), listed(mask), "{size} {kept}");
    }
}
