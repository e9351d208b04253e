//! `recon sample` and `recon likelihood`: images that a model makes up, and how probable it finds them.

use crate::common::{Folder, phantom, read};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use serde_json::Value;

/// The numbers of a list in the answer of `recon likelihood --json`.
fn numbers(answer: &Value, key: &str) -> Vec<f64> {
    answer[key].as_array().expect(key).iter().map(|v| v.as_f64().expect("a number")).collect()
}

fn likelihood(folder: &Folder, arguments: &str) -> Value {
    let output = folder.recon(&format!("likelihood {arguments} --json")).output().expect("runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("one JSON object")
}

#[test]
fn every_method_draws_images_that_depend_on_seed_and_number_alone() {
    let folder = Folder::new();
    for method in ["pc", "heun", "churn", "dpmpp"] {
        let draw = |count: usize, name: &str| {
            let form = format!(
                "sample --model mr --count {count} --size 8x16 --method {method} --steps 3 --seed 3 -o {name}"
            );
            folder.recon(&form).assert().success();
            read(&folder.path(name))
        };
        let (two, one) = (draw(2, &format!("{method}2.npy")), draw(1, &format!("{method}1.npy")));
        assert_eq!(two.shape(), [2, 8, 16]);
        assert!(two.iter().all(|v| v.is_finite()));
        let (first, second) = (two.slice(ndarray::s![0, .., ..]), two.slice(ndarray::s![1, .., ..]));
        assert_eq!(first, one.slice(ndarray::s![0, .., ..]), "{method}");
        assert_ne!(first, second);
    }
}

/// The adaptive solver and 40 steps of Heun's method follow the same way from the same noise.
#[test]
fn two_ways_along_the_flow_end_at_the_same_image() {
    let folder = Folder::new();
    folder.recon("sample --model ct --size 8x8 --method ode -o ode.npy").assert().success();
    folder.recon("sample --model ct --size 8x8 --method heun --steps 40 -o heun.npy").assert().success();
    let (a, b) = (read(&folder.path("ode.npy")), read(&folder.path("heun.npy")));
    assert!(b.iter().all(|hu| (-1500.0..3000.0).contains(hu)), "Hounsfield units: {b}");
    let largest = a.iter().zip(&b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    println!("largest difference {largest} HU");
    assert!(largest < 30.0, "{largest} HU");
}

#[test]
fn likelihoods_are_finite_and_follow_the_seed_and_the_options() {
    let folder = Folder::new();
    let mut images = ndarray::Array3::zeros((2, 8, 8));
    images.slice_mut(ndarray::s![0, .., ..]).assign(&phantom(8, 8, 0.0));
    // A checkerboard is not what MR images look like.
    images
        .slice_mut(ndarray::s![1, .., ..])
        .assign(&ndarray::Array2::from_shape_fn((8, 8), |(i, j)| ((i + j) % 2) as f32));
    folder.array("x.npy", images.view());
    let answer = likelihood(&folder, "mr x.npy --probes 2 --bound 6 --tolerance 1e-2");
    let bits = numbers(&answer, "bits_per_dim");
    let [smooth, board] = bits[..] else { panic!("two images: {answer}") };
    assert!(smooth.is_finite() && board > smooth + 1.0, "{answer}");
    let bounds = numbers(&answer, "bound");
    assert!(bounds[1] > bounds[0] && numbers(&answer, "standard_error").len() == 2, "{answer}");
    assert!(answer["nfe"].as_u64().expect("a count") > 40);
    assert_eq!(answer, likelihood(&folder, "mr x.npy --probes 2 --bound 6 --tolerance 1e-2"));
    let other = likelihood(&folder, "mr x.npy --tolerance 1e-2 --seed 1 --dequantize");
    assert_ne!(other["bits_per_dim"], answer["bits_per_dim"]);
}

#[test]
fn what_cannot_be_done_is_refused_in_one_line() {
    let folder = Folder::new();
    folder.array("x.npy", phantom(8, 8, 0.0).view());
    folder.bytes("there.npy", b"something");
    folder.array("cube.npy", ndarray::Array3::<f32>::from_elem((1, 8, 8), f32::NAN).view());
    for (form, code) in [
        ("sample --model ct -o x.jpg", 2),
        ("sample --model ct --size 8x -o y.npy", 2),
        ("sample --model ct --count 0 -o y.npy", 2),
        ("sample --model ct -o there.npy", 5),
        ("sample --model nowhere -o y.npy", 3),
        ("likelihood ct missing.npy", 3),
        ("likelihood ct there.npy", 3),
        ("likelihood ct cube.npy", 3),
        ("likelihood ct x.npy --bits 0", 2),
        ("likelihood ct x.npy --exact --probes 3", 2),
        ("likelihood nowhere x.npy", 3),
    ] {
        let output = folder.recon(form).output().expect("runs");
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{form}: {error}");
        assert!(error.starts_with("error: ") && error.trim_end().lines().count() == 1, "{form}: {error}");
        assert!(output.stdout.is_empty());
    }
    assert_eq!(folder.names(), ["cube.npy", "there.npy", "x.npy"]);
}

#[test]
fn a_picture_shows_all_images_side_by_side() {
    let folder = Folder::new();
    folder
        .recon("sample --model mr --count 3 --size 8x16 --method dpmpp --steps 2 -o p.png")
        .assert()
        .success();
    let bytes = std::fs::read(folder.path("p.png")).expect("written");
    let side = |at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    assert_eq!((side(16), side(20)), (48, 8));
}

/// The folder `coarse` of a bundle takes part where images are larger than its own, and is refused when it does not fit.
#[test]
fn a_coarse_model_shapes_images_that_are_larger_than_its_own() {
    let folder = Folder::new();
    let mut volume = ndarray::Array3::zeros((2, 40, 30));
    for (k, mut slice) in volume.axis_iter_mut(ndarray::Axis(0)).enumerate() {
        slice.assign(&phantom(40, 30, 0.05 * k as f32));
    }
    folder.array("x.npy", volume.view());
    let train = |options: &str| {
        let network = "--channels 8,8 --blocks 1,1 --middle 1 --embedding 8 --quiet --steps 3";
        folder.recon(&format!("train x.npy --modality mr {network} {options}")).assert().success();
    };
    let draw = |size: &str, name: &str| {
        folder.recon(&format!("sample --model m --size {size} --steps 4 -o {name}")).assert().success();
        read(&folder.path(name))
    };
    train("--crops 16x2 -o m");
    let (large, small) = (draw("36x20", "large.npy"), draw("16x16", "small.npy"));
    train("--shrink 16 --noise 0.4:1.4 --batch 2 -o m/coarse");
    let card = std::fs::read_to_string(folder.path("m/coarse/manifest.toml")).expect("written");
    assert!(card.contains("side = 16") && card.contains("slices shrunk to 16"), "{card}");
    let with = draw("36x20", "large2.npy");
    assert_eq!(with.dim(), large.dim());
    assert_ne!(with, large);
    assert_eq!(draw("16x16", "small2.npy"), small);
    std::fs::write(folder.path("m/coarse/manifest.toml"), card.replace("side = 16\n", "")).expect("written");
    let output = folder.recon("sample --model m -o no.npy").output().expect("runs");
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{error}");
    assert!(error.contains("m/coarse: the card has no side; train it with recon train --shrink"), "{error}");
}

/// Below the noise itself, the more certain the less noise, and the same at every call.
#[test]
fn the_deviation_of_a_denoised_image_is_written_beside_its_score() {
    let folder = Folder::new();
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let z = ndarray::Array2::from_shape_simple_fn((48, 48), || rng.sample::<f32, _>(StandardNormal));
    let deviation = |std: f64, name: &str| {
        folder.array("x.npy", (phantom(48, 48, 0.0) + &z * std as f32).view());
        folder.array("s.npy", ndarray::arr1(&[std as f32]).view());
        let form =
            format!("model score mr --input x.npy --std s.npy -o {name} --deviation d{name} --probes 2");
        folder.recon(&form).assert().success();
        read(&folder.path(&format!("d{name}")))
    };
    let (weak, strong) = (deviation(0.05, "a.npy"), deviation(0.5, "b.npy"));
    assert_eq!(weak.shape(), [48, 48]);
    assert_eq!(weak, deviation(0.05, "c.npy"));
    let rms = |x: &ndarray::ArrayD<f32>| (x.mapv(|v| v * v).mean().expect("pixels")).sqrt();
    println!("{} {}", rms(&weak), rms(&strong));
    assert!(rms(&weak) > 0.0 && rms(&weak) < 0.05 && rms(&strong) > rms(&weak) && rms(&strong) < 0.5);
    folder.recon("model score mr --input x.npy --label s.npy -o e.npy --deviation f.npy").assert().code(2);
}
