//! The forms of the command line that scripts rely on, from measurement to image.

use crate::common::{Folder, phantom, phantoms, read, relative_error};
use ndarray::{Array2, Ix2};
use num_complex::Complex32;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use recon_data::{Overwrite, npy};
use recon_operators::{Filter, Fourier, LinearOperator, ParallelBeam, Radon, Transform};

#[test]
fn a_simulated_sinogram_is_the_radon_transform_of_the_array() {
    let folder = Folder::new();
    // Below zero on purpose: arrays have no unit, whatever their values.
    let image = phantom(24, 20, 0.0) * 1000.0 - 500.0;
    folder.array("image.npy", image.view());
    folder.recon("simulate ct image.npy --views 9 --angles-out angles.npy -o sino.npy").assert().success();
    let radon = Radon::new(ParallelBeam::equally_spaced(24, 20, 1.0, 9), Filter::Ramp).expect("valid");
    assert_eq!(read(&folder.path("sino.npy")), radon.forward(&image).into_dyn());
    let angles = npy::read_f64(&folder.path("angles.npy")).expect("readable");
    let expected: Vec<f64> = (0..9).map(|k| 20.0 * f64::from(k)).collect();
    assert!(angles.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-12), "{angles}");
}

#[test]
fn detectors_and_spacing_are_taken_from_the_options() {
    let folder = Folder::new();
    let image = phantom(16, 16, 0.0);
    folder.array("image.npy", image.view());
    folder
        .recon("simulate ct image.npy --views 4 --detectors 31 --spacing 0.5 -o sino.npy")
        .assert()
        .success();
    let angles = ParallelBeam::equally_spaced(16, 16, 0.5, 4).angles;
    let radon =
        Radon::new(ParallelBeam::with_angles(16, 16, 0.5, angles, Some(31)), Filter::Ramp).expect("valid");
    assert_eq!(read(&folder.path("sino.npy")), radon.forward(&image).into_dyn());
}

#[test]
fn a_sinogram_comes_back_as_the_image_under_every_filter() {
    let folder = Folder::new();
    let image = phantom(48, 40, 0.0);
    folder.array("image.npy", image.view());
    folder.recon("simulate ct image.npy --views 120 --angles-out a.npy -o s.npy").assert().success();
    for filter in ["ramp", "shepp-logan", "cosine", "hamming", "hann"] {
        let form = format!(
            "ct --sinogram s.npy --angles a.npy --size 48x40 --method fbp --filter {filter} -o {filter}.npy"
        );
        folder.recon(&form).assert().success();
        let error = relative_error(&read(&folder.path(&format!("{filter}.npy"))), &image.clone().into_dyn());
        assert!(error < 0.1, "{filter}: {error}");
    }
    assert_ne!(read(&folder.path("ramp.npy")), read(&folder.path("hann.npy")));
}

#[test]
fn retrospective_and_measured_ct_agree() {
    let folder = Folder::new();
    folder.array("image.npy", phantom(32, 32, 0.0).view());
    folder.recon("simulate ct image.npy --views 30 --angles-out a.npy -o s.npy").assert().success();
    folder
        .recon("ct --sinogram s.npy --angles a.npy --size 32x32 --method fbp -o measured.npy")
        .assert()
        .success();
    let retrospective =
        folder.recon("ct image.npy --views 30 --method fbp -o retrospective.npy").assert().success();
    let log = String::from_utf8_lossy(&retrospective.get_output().stderr).into_owned();
    let first = log.lines().next().unwrap_or_default();
    assert!(log.contains("simulating 30 views") && log.contains("--sinogram"), "{first}");
    let measured = read(&folder.path("measured.npy"));
    let error = relative_error(&measured, &read(&folder.path("retrospective.npy")));
    // Angles pass through degrees once.
    assert!(error < 1e-5, "{error}");
}

#[test]
fn simulated_kspace_is_the_masked_centred_transform() {
    let folder = Folder::new();
    let image = phantom(20, 32, 0.0);
    folder.array("image.npy", image.view());
    folder
        .recon("simulate mri image.npy --accel 4 --mask equispaced --center-fraction 0.08 --mask-offset 1 --mask-out m.npy -o k.npy")
        .assert()
        .success();
    let mask =
        npy::read_mask(&folder.path("m.npy")).expect("readable").into_dimensionality::<Ix2>().expect("2-D");
    assert_eq!(mask.dim(), (20, 32));
    let columns: Vec<bool> = mask.row(0).to_vec();
    assert!(mask.outer_iter().all(|row| row.to_vec() == columns), "whole columns are kept");
    assert!(columns[1] && columns[15] && columns[16] && !columns[0]);
    let kspace = npy::read_complex(&folder.path("k.npy")).expect("readable");
    let full = Fourier::new(20, 32).forward(&image.mapv(|v| Complex32::new(v, 0.0)));
    let expected =
        Array2::from_shape_fn((20, 32), |at| if mask[at] { full[at] } else { Complex32::default() });
    assert_eq!(kspace, expected.into_dyn());
}

#[test]
fn zero_filled_is_the_magnitude_of_the_inverse_transform() {
    let folder = Folder::new();
    folder.array("image.npy", phantom(24, 24, 0.0).view());
    folder
        .recon("simulate mri image.npy --accel 3 --mask random --mask-out m.npy -o k.npy")
        .assert()
        .success();
    folder.recon("mri --kspace k.npy --mask m.npy --method zero-filled -o z.npy").assert().success();
    let kspace = npy::read_complex(&folder.path("k.npy")).expect("readable");
    let kspace = kspace.into_dimensionality::<Ix2>().expect("2-D");
    let expected = Fourier::new(24, 24).inverse(&kspace).mapv(Complex32::norm);
    assert_eq!(read(&folder.path("z.npy")), expected.into_dyn());
}

#[test]
fn fully_sampled_kspace_gives_the_image() {
    let folder = Folder::new();
    let images = phantoms(2, 16, 20);
    folder.array("images.npy", images.view());
    folder.recon("simulate mri images.npy --accel 1 --mask-out m.npy -o k.npy").assert().success();
    for method in ["zero-filled", "tv"] {
        folder
            .recon(&format!("mri --kspace k.npy --mask m.npy --method {method} -o {method}.npy"))
            .assert()
            .success();
        let error = relative_error(&read(&folder.path(&format!("{method}.npy"))), &images.clone().into_dyn());
        let bound = if method == "tv" { 0.1 } else { 1e-5 };
        assert!(error < bound, "{method}: {error}");
    }
}

/// With the noise's level known, the image is nearer to the truth than one that fits the noise.
#[test]
fn noise_in_the_data_is_not_fitted_when_its_level_is_given() {
    let folder = Folder::new();
    let image = phantom(48, 48, 0.0);
    folder.array("image.npy", image.view());
    folder.recon("simulate ct image.npy --views 40 --angles-out a.npy -o s.npy").assert().success();
    folder.recon("simulate mri image.npy --accel 2 --mask-out m.npy -o k.npy").assert().success();
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let mut normal = || -> f32 { rng.sample(StandardNormal) };
    let sinogram = read(&folder.path("s.npy")).mapv(|v| v + 0.8 * normal());
    npy::write_real(&folder.path("s.npy"), sinogram.view(), Overwrite::Force).expect("written");
    let kept = npy::read_mask(&folder.path("m.npy")).expect("readable");
    let mut kspace = npy::read_complex(&folder.path("k.npy")).expect("readable");
    kspace.zip_mut_with(&kept, |v, &kept| {
        if kept {
            *v += 0.1 * Complex32::new(normal(), normal());
        }
    });
    npy::write_complex(&folder.path("k.npy"), kspace.view(), Overwrite::Force).expect("written");
    for (name, form, std) in [
        ("ct", "ct --sinogram s.npy --angles a.npy --size 48x48 --steps 10", 0.8),
        ("mri", "mri --kspace k.npy --mask m.npy --steps 10", 0.1),
    ] {
        let error = |std: f64| {
            folder.recon(&format!("{form} --noise-std {std} -o {name}.npy --force")).assert().success();
            relative_error(&read(&folder.path(&format!("{name}.npy"))), &image.clone().into_dyn())
        };
        let (fitted, told) = (error(0.0), error(std));
        println!("{name}: {fitted:.4}, told the noise {told:.4}");
        assert!(told < 0.9 * fitted, "{name}: {told} against {fitted}");
    }
}

/// Photons that are counted say how noisy each ray is; `--noise-std 0` says that none is.
#[test]
fn the_noise_of_counted_photons_is_not_fitted() {
    let folder = Folder::new();
    let image = phantom(48, 48, 0.0);
    folder.array("image.npy", image.view());
    let error = |more: &str| {
        let form = "ct image.npy --unit attenuation --spacing 0.05 --views 60 --photons 2000 --steps 10";
        folder.recon(&format!("{form} {more} -o out.npy --force")).assert().success();
        relative_error(&read(&folder.path("out.npy")), &image.clone().into_dyn())
    };
    let (told, fitted) = (error(""), error("--noise-std 0"));
    // The same rays from a file, which are known to be counts.
    let form = "simulate ct image.npy --unit attenuation --spacing 0.05 --views 60 --photons 2000";
    folder.recon(&format!("{form} -o s.npy")).assert().success();
    let form = "ct --sinogram s.npy --size 48x48 --unit attenuation --spacing 0.05 --photons 2000 --steps 10";
    folder.recon(&format!("{form} -o file.npy")).assert().success();
    let file = relative_error(&read(&folder.path("file.npy")), &image.clone().into_dyn());
    assert!((file - told).abs() < 1e-4, "{file} and {told}");
    println!("photons: {fitted:.4}, told {told:.4}");
    assert!(told < 0.9 * fitted, "{told} against {fitted}");
}

#[test]
fn compare_prints_the_agreed_object_and_obeys_the_tolerance() {
    let folder = Folder::new();
    let image = phantom(16, 16, 0.0);
    folder.array("a.npy", image.view());
    folder.array("b.npy", (&image + 0.01).view());
    let output = folder.recon("compare a.npy b.npy --metric-preset fastmri --json").assert().success();
    let metrics: serde_json::Value = serde_json::from_slice(&output.get_output().stdout).expect("one object");
    for key in ["psnr", "ssim", "nmse", "max_abs"] {
        assert!(metrics[key].is_f64(), "{key}: {metrics}");
    }
    assert!((metrics["max_abs"].as_f64().unwrap_or(0.0) - 0.01).abs() < 1e-6);
    folder.recon("compare a.npy b.npy --tolerance 0.02").assert().success();
    folder.recon("compare a.npy b.npy --tolerance 0.001").assert().code(1);
}
