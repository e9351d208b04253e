//! Measured k-space with phases that a smooth model does not know.

use crate::common::{Folder, phantom, read};
use ndarray::{Array2, Ix2};
use num_complex::Complex32;
use recon_data::{Overwrite, npy};
use recon_operators::{Fourier, LinearOperator};
use std::f32::consts::{PI, TAU};

const SIZE: usize = 64;

/// Radians, at places from −1 to 1 (row, column).
type Phase = fn(f32, f32) -> f32;

/// Peak signal-to-noise ratio of magnitudes, dB.
fn psnr(image: &Array2<f32>, truth: &Array2<f32>) -> f32 {
    let error = image.iter().zip(truth).map(|(a, b)| (a.abs() - b).powi(2)).sum::<f32>() / truth.len() as f32;
    let peak = truth.iter().copied().fold(0.0, f32::max);
    10.0 * (peak * peak / error).log10()
}

/// Every third line and twelve in the middle of an image with this phase.
fn measured(folder: &Folder, truth: &Array2<f32>, phase: Phase) {
    let place = |at: usize| 2.0 * at as f32 / SIZE as f32 - 1.0;
    let image = Array2::from_shape_fn(truth.dim(), |(i, j)| {
        Complex32::from_polar(truth[[i, j]], phase(place(i), place(j)))
    });
    let mask =
        Array2::from_shape_fn(truth.dim(), |(_, j)| j % 3 == 0 || (SIZE / 2 - 6..SIZE / 2 + 6).contains(&j));
    let mut kspace = Fourier::new(SIZE, SIZE).forward(&image);
    kspace.zip_mut_with(&mask, |value, &kept| *value *= f32::from(u8::from(kept)));
    npy::write_complex(&folder.path("k.npy"), kspace.view(), Overwrite::Force).expect("written");
    npy::write_mask(&folder.path("m.npy"), mask.view(), Overwrite::Force).expect("written");
}

#[test]
fn no_phase_makes_a_classical_method_worse_than_none() {
    let truth = phantom(SIZE, SIZE, 0.0);
    let phases: [(&str, Phase); 5] = [
        ("none", |_, _| 0.0),
        ("a jump", |_, x| if x > 0.1 { PI } else { 0.0 }),
        ("waves", |y, x| 2.0 * (9.0 * y).sin() * (7.0 * x).cos()),
        ("a vortex", |y, x| y.atan2(x)),
        ("an echo that came late", |_, x| 2.5 * TAU * x),
    ];
    for (name, phase) in phases {
        let folder = Folder::new();
        measured(&folder, &truth, phase);
        let quality = |method: &str| {
            folder
                .recon(&format!("mri --kspace k.npy --mask m.npy --method {method} -o {method}.npy"))
                .assert()
                .success();
            let image = read(&folder.path(&format!("{method}.npy"))).into_dimensionality::<Ix2>();
            psnr(&image.expect("an image"), &truth)
        };
        let [filled, wavelets, variation] = ["zero-filled", "l1-wavelet", "tv"].map(quality);
        assert!(wavelets >= filled && variation > filled, "{name}: {filled} {wavelets} {variation}");
    }
}
