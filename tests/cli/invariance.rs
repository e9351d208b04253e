//! What a result must not depend on: threads, and the slices around a slice.

use crate::common::{Folder, phantoms, read};
use ndarray::Axis;

/// Methods that are cheap on tiny images; the learned ones in two steps.
const RUNS: [(&str, &str); 5] = [
    ("fbp", "ct images.npy --unit attenuation --views 12 --method fbp"),
    ("fista-tv", "ct images.npy --unit attenuation --views 12 --method fista-tv --steps 5"),
    ("ct-score", "ct images.npy --views 12 --method score --steps 2 --seed 3"),
    ("ct-pc", "ct images.npy --views 12 --method pc --steps 2 --seed 3"),
    ("mri-score", "mri images.npy --accel 4 --method score --steps 2 --samples 2 --seed 3"),
];

#[test]
fn the_number_of_threads_changes_no_bit() {
    let folder = Folder::new();
    folder.array("images.npy", phantoms(1, 32, 32).view());
    for (name, form) in RUNS {
        for threads in [1, 2] {
            folder.recon(&format!("{form} --threads {threads} -o {name}-{threads}.npy")).assert().success();
        }
        let one = read(&folder.path(&format!("{name}-1.npy")));
        assert!(one.iter().any(|&value| value != 0.0), "{name}: nothing was reconstructed");
        assert_eq!(one, read(&folder.path(&format!("{name}-2.npy"))), "{name}");
    }
}

#[test]
fn a_slice_is_the_same_alone_and_in_its_volume() {
    let folder = Folder::new();
    folder.array("images.npy", phantoms(3, 32, 32).view());
    for (name, form) in RUNS {
        folder.recon(&format!("{form} -o {name}-all.npy")).assert().success();
        folder.recon(&format!("{form} --slices 1..2 -o {name}-one.npy")).assert().success();
        let all = read(&folder.path(&format!("{name}-all.npy")));
        let one = read(&folder.path(&format!("{name}-one.npy")));
        let one = one.into_shape_with_order((32, 32)).expect("one slice");
        assert_eq!(all.index_axis(Axis(0), 1), one.into_dyn(), "{name}");
    }
}

#[test]
fn the_seed_is_what_makes_samples_differ() {
    let folder = Folder::new();
    folder.array("images.npy", phantoms(1, 32, 32).view());
    for seed in [0, 1] {
        folder
            .recon(&format!(
                "mri images.npy --mask-offset 0 --steps 2 --temperature 1 --seed {seed} -o {seed}.npy"
            ))
            .assert()
            .success();
    }
    assert_ne!(read(&folder.path("0.npy")), read(&folder.path("1.npy")));
}
