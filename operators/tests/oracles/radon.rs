//! The Radon transform against closed forms, other programs and a slow oracle.

use crate::common;
use crate::common::{Arrays, relative};
use crate::reference::shared;
use ndarray::{Array2, s};
use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use recon_operators::testing::{dot_test, linearity_test};
use recon_operators::{
    Field, Filter, LinearOperator, Mask, ParallelBeam, Problem, Radon, Transform, metal_trace, refine_views,
};
use serde_json::Value;

const FILTERS: [(Filter, &str); 5] = [
    (Filter::Ramp, "ramp"),
    (Filter::SheppLogan, "shepp_logan"),
    (Filter::Cosine, "cosine"),
    (Filter::Hamming, "hamming"),
    (Filter::Hann, "hann"),
];

fn radon(arrays: &Arrays, filter: Filter) -> Radon {
    let image = arrays.image("image");
    let bins = arrays.image("sino_analytic_binavg").ncols();
    Radon::new(
        ParallelBeam::with_angles(image.nrows(), image.ncols(), 1.0, arrays.angles(), Some(bins)),
        filter,
    )
    .unwrap()
}

fn check_forward(name: &str, arrays: &Arrays, json: &Value) {
    let projected = radon(arrays, Filter::Ramp).forward(&arrays.image("image"));
    if let Some(strip) = json["measured_rel_errors"]["astra_strip_vs_binavg"].as_f64() {
        let error = relative(&projected, &arrays.image("sino_analytic_binavg"));
        println!("{name}: {error:.6}, astra {strip:.6}");
        assert!(error < 1.02 * strip, "{name}: {error} from the closed form, astra {strip}");
        // The same model, computed in single precision there.
        let distance = relative(&projected, &arrays.image("sino_astra_strip"));
        println!("{name}: {distance:.2e} from astra strip");
        assert!(distance < 1e-3, "{name}: {distance} from astra's strip projector");
    }
}

fn check_fbp(name: &str, arrays: &Arrays, json: &Value) {
    let image = arrays.image("image");
    let sinogram = arrays.image("sino_analytic");
    let centre = (image.nrows() as f64 - 1.0) / 2.0;
    for (filter, label) in FILTERS {
        let key = format!("fbp_{label}_rmse_vs_image_in_circle");
        let Some(peer) = json["measured_rel_errors"][&key].as_f64() else { continue };
        let result = radon(arrays, filter).inverse(&sinogram);
        let inside = |i: usize, j: usize| (i as f64 - centre).hypot(j as f64 - centre) <= centre;
        let (mut sum, mut count) = (0.0, 0.0);
        for ((i, j), &value) in image.indexed_iter().filter(|&((i, j), _)| inside(i, j)) {
            sum += f64::from(value - result[[i, j]]).powi(2);
            count += 1.0;
        }
        let rmse = f64::sqrt(sum / count);
        println!("{name} {label}: rmse {rmse:.5}, scikit-image {peer:.5}");
        assert!((rmse / peer - 1.0).abs() < 0.2, "{name} {label}: rmse {rmse}, scikit-image {peer}");
    }
}

#[test]
fn projections_agree_with_closed_forms() {
    for name in ["asym_128", "asym_129"] {
        check_forward(name, &common::arrays(name), &common::json(name));
    }
}

#[test]
fn reference_projections_of_discs_agree_with_closed_forms() {
    let Some(shared) = shared() else { return };
    for name in ["disc_offcentre_128", "disc_offcentre_129"] {
        let (arrays, json) = common::reference(&shared, &format!("ct/{name}"));
        check_forward(name, &arrays, &json);
    }
}

#[test]
fn back_projections_are_as_close_as_those_of_scikit_image() {
    check_fbp("asym_128", &common::arrays("asym_128"), &common::json("asym_128"));
}

#[test]
fn reference_back_projection_of_a_head_is_as_close_as_that_of_scikit_image() {
    let Some(shared) = shared() else { return };
    let (arrays, json) = common::reference(&shared, "ct/shepp_logan_129");
    check_fbp("shepp_logan_129", &arrays, &json);
}

#[test]
fn filter_responses_are_those_of_scikit_image() {
    let arrays = common::arrays("asym_128");
    for (filter, label) in FILTERS {
        let peer = arrays.wide(&format!("filter_{label}"));
        let largest = filter
            .response(256)
            .iter()
            .zip(&peer)
            .map(|(ours, peer)| (2.0 * ours - peer).abs())
            .fold(0.0, f64::max);
        // scikit-image samples these two windows half a frequency off
        let tolerance = if matches!(filter, Filter::Hamming | Filter::Hann) { 1e-2 } else { 1e-12 };
        assert!(largest < tolerance, "{label}: {largest}");
    }
}

/// Area of the unit square at (x, y) where `u cos θ + v sin θ < s`: the square is clipped by the line.
fn area_below(x: f64, y: f64, angle: f64, s: f64) -> f64 {
    let (sin, cos) = angle.sin_cos();
    let corners = [(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)].map(|(u, v)| (x + u, y + v));
    let side = |(u, v): (f64, f64)| u * cos + v * sin - s;
    let mut clipped = Vec::new();
    for n in 0..4 {
        let (a, b) = (corners[n], corners[(n + 1) % 4]);
        let (da, db) = (side(a), side(b));
        if da < 0.0 {
            clipped.push(a);
        }
        if (da < 0.0) != (db < 0.0) {
            let t = da / (da - db);
            clipped.push((a.0 + t * (b.0 - a.0), a.1 + t * (b.1 - a.1)));
        }
    }
    let cross = |n: usize| {
        let (a, b) = (clipped[n], clipped[(n + 1) % clipped.len()]);
        a.0 * b.1 - a.1 * b.0
    };
    0.5 * (0..clipped.len()).map(cross).sum::<f64>()
}

/// The definition of the transform, pixel by pixel and bin by bin.
fn oracle(geometry: &ParallelBeam, image: &Array2<f32>) -> Array2<f32> {
    let (pixel, bin) = (f64::from(geometry.spacing), f64::from(geometry.detector_spacing));
    Array2::from_shape_fn((geometry.angles.len(), geometry.detectors), |(view, k)| {
        let low = (k as f64 - geometry.detectors as f64 / 2.0 - geometry.axis_offset) * bin / pixel;
        let mut sum = 0.0;
        for ((i, j), &value) in image.indexed_iter() {
            let x = j as f64 - (geometry.cols as f64 - 1.0) / 2.0;
            let y = (geometry.rows as f64 - 1.0) / 2.0 - i as f64;
            let below = |s| area_below(x, y, geometry.angles[view], s);
            sum += f64::from(value) * (below(low + bin / pixel) - below(low));
        }
        (sum * pixel * pixel / bin) as f32
    })
}

fn random(rows: usize, cols: usize) -> Array2<f32> {
    Field::randn(&[rows, cols], &mut ChaCha8Rng::seed_from_u64(11))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn every_geometry_is_exact(
        rows in 1_usize..14, cols in 1_usize..14, detectors in 1_usize..30, spacing in 0.2_f32..3.0,
        detector_spacing in 0.2_f32..3.0, offset in -0.5_f64..0.5, angles in prop::collection::vec(-7.0_f64..7.0, 1..5),
    ) {
        let axis_offset = offset * detectors as f64;
        let geometry = ParallelBeam { rows, cols, spacing, angles, detectors, detector_spacing, axis_offset };
        let radon = Radon::new(geometry.clone(), Filter::Ramp).unwrap();
        let image = random(rows, cols);
        let difference = radon.forward(&image) - oracle(&geometry, &image);
        let bound = 1e-5 * f64::from(spacing * spacing / detector_spacing) * image.norm();
        prop_assert!(difference.norm() < bound.max(1e-6));
        prop_assert!(dot_test(&radon) < 1e-6);
        prop_assert!(linearity_test(&radon) < 1e-5 || radon.forward(&image).norm() < 1e-6);
    }
}

#[test]
fn right_angles_sum_rows_and_columns() {
    let image = random(5, 4);
    let degrees = [0.0_f64, 90.0, 180.0, 270.0, 360.0];
    let angles = degrees.iter().map(|d| d.to_radians()).collect();
    let radon = Radon::new(ParallelBeam::with_angles(5, 4, 1.0, angles, Some(9)), Filter::Ramp).unwrap();
    let sinogram = radon.forward(&image);
    for j in 0..4 {
        // four columns on nine bins: every column is shared by two
        let sums = |j: usize| image.column(j).sum();
        let left = if j > 0 { sums(j - 1) } else { 0.0 };
        assert!((sinogram[[0, j + 2]] - 0.5 * (left + sums(j))).abs() < 1e-5);
    }
    for i in 0..5 {
        // y points up
        assert!((sinogram[[1, 6 - i]] - image.row(i).sum()).abs() < 1e-5);
    }
    let mut opposite = sinogram.slice(s![2, ..;-1]).to_owned();
    opposite -= &sinogram.row(0);
    assert!(opposite.iter().all(|value| value.abs() < 1e-5));
}

#[test]
fn threads_do_not_change_a_bit() {
    let radon = Radon::new(ParallelBeam::equally_spaced(70, 61, 0.7, 37), Filter::Hann).unwrap();
    let image = random(70, 61);
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let sinogram = radon.forward(&image);
            (radon.adjoint(&sinogram), radon.inverse(&sinogram), sinogram)
        })
    };
    let one = run(1);
    assert!(one == run(2));
    assert!(one == run(5));
}

#[test]
fn masked_and_refined_problems_keep_an_exact_adjoint() {
    let transform = Radon::new(ParallelBeam::equally_spaced(33, 32, 0.8, 9), Filter::Ramp).unwrap();
    let mut metal = Array2::from_elem((33, 32), false);
    metal.slice_mut(s![10..13, 20..23]).fill(true);
    let mask = metal_trace(&transform, &metal, 1);
    assert!(mask.count() > 0 && !mask.is_full());
    let measured = mask.select(transform.forward(&random(33, 32)));
    let problem = Problem::new(transform, mask, measured).unwrap();
    assert!(dot_test(&problem) < 1e-6);
    let refined = refine_views(&problem, 3).unwrap();
    assert!(dot_test(&refined) < 1e-6);
    assert!(dot_test(&refined.transform) < 1e-6);
}

#[test]
fn attenuation_comes_back_whatever_the_spacing_and_the_angles() {
    let disc = Array2::from_shape_fn((64, 64), |(i, j)| {
        if (i as f32 - 31.5).hypot(j as f32 - 31.5) < 20.0 { 0.02 } else { 0.0 }
    });
    let uneven: Vec<f64> = (0..200).map(|n| 0.0157 * f64::from(n) + 0.006 * f64::from(n * 7 % 5)).collect();
    let even = ParallelBeam::equally_spaced(64, 64, 0.5, 180);
    let wide = ParallelBeam { detector_spacing: 0.8, detectors: 60, ..even.clone() };
    let beside = ParallelBeam { axis_offset: 3.3, detectors: 110, ..even.clone() };
    for geometry in [even, wide, beside, ParallelBeam::with_angles(64, 64, 3.0, uneven, None)] {
        let radon = Radon::new(geometry, Filter::Hann).unwrap();
        let inner = radon.inverse(&radon.forward(&disc)).slice(s![24..40, 24..40]).mean().unwrap();
        assert!((inner / 0.02 - 1.0).abs() < 0.01, "{inner}");
    }
}

#[test]
fn nothing_is_kept_of_an_empty_mask() {
    let transform = Radon::new(ParallelBeam::equally_spaced(4, 4, 1.0, 1), Filter::Ramp).unwrap();
    let measured = transform.forward(&random(4, 4));
    let mask = Mask::new(vec![false; measured.len()]);
    let problem = Problem::new(transform, mask, measured).unwrap();
    assert_eq!(problem.forward(&random(4, 4)).norm(), 0.0);
}
