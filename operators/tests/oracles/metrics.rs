//! Metrics against fastMRI and scikit-image.

use crate::common;
use ndarray::{Axis, Ix3};
use recon_operators::{MetricPreset, compare};

fn close(ours: f64, peer: &serde_json::Value, tolerance: f64, what: &str) {
    let peer = peer.as_f64().unwrap();
    assert!((ours - peer).abs() < tolerance, "{what}: {ours}, peer {peer}");
}

#[test]
fn metrics_are_those_of_the_peers() {
    let (arrays, json) = (common::arrays("pairs"), common::json("metrics"));
    for (index, case) in json["cases"].as_array().unwrap().iter().enumerate() {
        let load = |kind: &str| arrays.real(&format!("{kind}{index}")).into_dimensionality::<Ix3>().unwrap();
        let (reference, result) = (load("gt"), load("pred"));
        let volume = compare(reference.view(), result.view(), MetricPreset::FastMri).unwrap();
        close(volume.psnr, &case["psnr"], 1e-6, "PSNR");
        close(volume.ssim, &case["ssim"], 1e-7, "SSIM");
        close(volume.nmse, &case["nmse"], 1e-8, "NMSE");
        let gaussian = case["ssim_gaussian_wang"].as_array().unwrap();
        let mean = gaussian.iter().map(|value| value.as_f64().unwrap()).sum::<f64>() / gaussian.len() as f64;
        let piq = compare(reference.view(), result.view(), MetricPreset::Piq).unwrap();
        close(piq.ssim, &mean.into(), 1e-7, "Gaussian SSIM");
        for (slice, psnr) in case["psnr_per_slice_volume_max"].as_array().unwrap().iter().enumerate() {
            // One slice alone has its own maximum, so the peak is changed to that of the volume.
            let one = |volume: &ndarray::Array3<f32>| {
                volume.index_axis(Axis(0), slice).insert_axis(Axis(0)).to_owned()
            };
            let (a, b) = (one(&reference), one(&result));
            let max = f64::from(a.iter().copied().fold(0.0, f32::max));
            let ours = compare(a.view(), b.view(), MetricPreset::FastMri).unwrap().psnr;
            close(ours + 20.0 * (case["maxval"].as_f64().unwrap() / max).log10(), psnr, 1e-6, "slice PSNR");
        }
    }
}
