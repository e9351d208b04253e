//! `recon sample` and `recon likelihood`: images that a model makes up, and how probable it finds them.

mod common;

use common::{Folder, phantom, read};
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
    for method in ["pc", "heun", "dpmpp"] {
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
        ("sample --model ct --size 8 -o y.npy", 2),
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
