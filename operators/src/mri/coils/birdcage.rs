//! Sensitivities of coils around an image, in closed form.

use ndarray::{Array3, Axis, Zip};
use num_complex::Complex32;
use std::f32::consts::TAU;

/// Distance of the coils from the middle, in halves of the sides of the image.
const RADIUS: f32 = 1.5;

/// The maps of `coils` equal coils around an image, axes (coil, row, col), with `Σ_c |s_c|² = 1` at every pixel.
///
/// Coil c is a straight wire through the plane at `1.5 (cos γ, sin γ)`, `γ = 2π c/n`, in halves of the sides of the image. By
/// Biot and Savart's law its field at the distance r has the strength 1/r and turns with the angle θ at which the wire is
/// seen: `s_c ∝ e^{i(θ − γ)}/r`, in which −γ is the delay of a birdcage's rungs. Made for simulation.
pub fn birdcage(coils: usize, rows: usize, cols: usize) -> Array3<Complex32> {
    let place = |index: usize, length: usize| (index as f32 - (length / 2) as f32) / (length as f32 / 2.0);
    let mut maps = Array3::from_shape_fn((coils, rows, cols), |(coil, i, j)| {
        let turn = TAU * coil as f32 / coils as f32;
        let from_wire = Complex32::new(place(j, cols), place(i, rows)) - Complex32::from_polar(RADIUS, turn);
        // 1/conj(z) has the modulus 1/r and the angle θ.
        from_wire.conj().inv() * Complex32::cis(-turn)
    });
    let total = maps.map(Complex32::norm_sqr).sum_axis(Axis(0)).mapv(f32::sqrt);
    for mut map in maps.outer_iter_mut() {
        Zip::from(&mut map).and(&total).for_each(|value, &total| *value /= total);
    }
    maps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_coil_is_strongest_on_its_side_and_all_together_even() {
        let maps = birdcage(4, 33, 41);
        let total = maps.map(Complex32::norm_sqr).sum_axis(Axis(0));
        assert!(total.iter().all(|value| (value - 1.0).abs() < 1e-5));
        // Coil 0 is to the right, coil 1 below, coil 2 to the left.
        assert!(maps[[0, 16, 40]].norm() > 2.0 * maps[[0, 16, 0]].norm());
        assert!(maps[[1, 32, 20]].norm() > 2.0 * maps[[1, 0, 20]].norm());
        assert!((maps[[0, 16, 40]].norm() - maps[[2, 16, 0]].norm()).abs() < 1e-5);
    }

    #[test]
    fn a_quarter_turn_takes_a_coil_to_the_next() {
        // Of four coils, on an odd square: (x, y) to (−y, x), and the field turns along.
        let maps = birdcage(4, 31, 31);
        for ((i, j), value) in maps.index_axis(Axis(0), 0).indexed_iter() {
            let next = maps[[1, j, 30 - i]];
            assert!((next - value).norm() < 1e-4, "{i} {j}: {next} {value}");
        }
    }
}
