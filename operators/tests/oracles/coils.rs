//! Coils against the definition of what they see, and against ellipses whose k-space is known.

use ndarray::{Array2, Array3, Axis, s};
use num_complex::{Complex32, Complex64};
use recon_operators::{
    EspiritSettings, Field, LinearOperator, Mask, Sense, Transform, birdcage, calibration_block, coil_images,
    espirit, sense_combination,
};
use std::f64::consts::{PI, TAU};

/// An ellipse in a field of view of side 1: middle (x, y), half axes and intensity.
const ELLIPSES: [([f64; 2], [f64; 2], f64); 3] =
    [([0.0, 0.0], [0.36, 0.42], 1.0), ([0.1, -0.12], [0.12, 0.2], -0.4), ([-0.15, 0.1], [0.08, 0.06], 0.7)];

/// Maps `c₀ + c₁ x + c₂ y` of the coils.
fn polynomials() -> [[Complex64; 3]; 4] {
    let c = Complex64::new;
    [
        [c(1.0, 0.2), c(0.8, -0.3), c(0.1, 0.4)],
        [c(0.7, -0.5), c(-0.6, 0.2), c(0.5, 0.5)],
        [c(0.3, 0.9), c(0.2, 0.7), c(-0.8, 0.1)],
        [c(-0.4, 0.8), c(-0.5, -0.5), c(-0.3, -0.6)],
    ]
}

/// `J_n(z) = 1/π ∫₀^π cos(nτ − z sin τ) dτ`; the trapezoidal rule is exact to rounding for periodic integrands.
fn bessel(n: f64, z: f64) -> f64 {
    let steps = 400;
    let value = |k: usize| {
        let turn = PI * k as f64 / steps as f64;
        (n * turn - z * turn.sin()).cos()
    };
    (0.5 * (value(0) + value(steps)) + (1..steps).map(value).sum::<f64>()) / steps as f64
}

/// `∫ (c₀ + c₁ x + c₂ y) e^{−2πi(k_x x + k_y y)}` over the ellipse with half axes a, b in the middle, by
/// `a b J₁(2πu)/u`, `u² = a²k_x² + b²k_y²`, and its derivatives.
fn centred_ellipse([a, b]: [f64; 2], c: [Complex64; 3], [kx, ky]: [f64; 2]) -> Complex64 {
    let u = (a * kx).hypot(b * ky);
    if u < 1e-12 {
        return c[0] * PI * a * b;
    }
    let even = a * b * bessel(1.0, TAU * u) / u;
    let odd = Complex64::new(0.0, -a * b * bessel(2.0, TAU * u) / (u * u));
    c[0] * even + odd * (c[1] * a * a * kx + c[2] * b * b * ky)
}

fn seen_at(c: [Complex64; 3], k: [f64; 2]) -> Complex64 {
    ELLIPSES
        .iter()
        .map(|&(middle, axes, intensity)| {
            // About the middle of the ellipse the polynomial has another constant.
            let shifted = [c[0] + c[1] * middle[0] + c[2] * middle[1], c[1], c[2]];
            let turn = Complex64::cis(-TAU * (k[0] * middle[0] + k[1] * middle[1]));
            intensity * turn * centred_ellipse(axes, shifted, k)
        })
        .sum()
}

fn place(index: usize, length: usize) -> f64 {
    (index as f64 - (length / 2) as f64) / length as f64
}

fn maps(rows: usize, cols: usize) -> Array3<Complex32> {
    let coils = polynomials();
    Array3::from_shape_fn((coils.len(), rows, cols), |(n, i, j)| {
        let c = coils[n];
        narrow(c[0] + c[1] * place(j, cols) + c[2] * place(i, rows))
    })
}

fn narrow(value: Complex64) -> Complex32 {
    Complex32::new(value.re as f32, value.im as f32)
}

/// What coils with the polynomial maps see, for the orthonormal transform.
fn kspace(rows: usize, cols: usize) -> Array3<Complex32> {
    let centred = |index: usize, length: usize| index as f64 - (length / 2) as f64;
    let coils = polynomials();
    Array3::from_shape_fn((coils.len(), rows, cols), |(n, i, j)| {
        let value = seen_at(coils[n], [centred(j, cols), centred(i, rows)]);
        narrow(value * ((rows * cols) as f64).sqrt())
    })
}

/// The share of every pixel that lies in the ellipses, by 8 × 8 points.
fn raster(rows: usize, cols: usize) -> Array2<Complex32> {
    let points = 8;
    let at = |index: usize, part: usize, length: usize| {
        place(index, length) + ((part as f64 + 0.5) / points as f64 - 0.5) / length as f64
    };
    Array2::from_shape_fn((rows, cols), |(i, j)| {
        let mut sum = 0.0;
        for n in 0..points * points {
            let (x, y) = (at(j, n % points, cols), at(i, n / points, rows));
            let inside =
                ELLIPSES.iter().filter(|(m, a, _)| ((x - m[0]) / a[0]).hypot((y - m[1]) / a[1]) < 1.0);
            sum += inside.map(|(_, _, intensity)| intensity).sum::<f64>();
        }
        narrow(Complex64::from(sum / (points * points) as f64))
    })
}

#[test]
fn coils_see_the_sum_that_defines_them() {
    for (rows, cols) in [(7, 10), (12, 9), (1, 5)] {
        let maps = birdcage(3, rows, cols);
        let image = Array2::from_shape_fn((rows, cols), |(i, j)| {
            Complex32::new((i * 3 + j) as f32 % 5.0 - 1.0, (i + 2 * j) as f32 % 3.0)
        });
        let found = Sense::new(maps.clone()).unwrap().forward(&image);
        let wide = |v: Complex32| Complex64::new(v.re.into(), v.im.into());
        let scale = 1.0 / ((rows * cols) as f64).sqrt();
        let largest = found.iter().map(|value| value.norm()).fold(0.0, f32::max);
        for ((coil, k, l), &value) in found.indexed_iter() {
            let mut sum = Complex64::default();
            for ((i, j), &pixel) in image.indexed_iter() {
                let turns = place(k, rows) * place(i, rows) * rows as f64
                    + place(l, cols) * place(j, cols) * cols as f64;
                sum += wide(maps[[coil, i, j]]) * wide(pixel) * Complex64::cis(-TAU * turns);
            }
            assert!((wide(value) - sum * scale).norm() < 1e-6 * f64::from(largest));
        }
    }
}

#[test]
fn ellipses_look_as_their_integrals_say() {
    for (rows, cols) in [(128, 120), (121, 144)] {
        let found = Sense::new(maps(rows, cols)).unwrap().forward(&raster(rows, cols));
        let expected = kspace(rows, cols);
        let middle = s![.., rows / 2 - 10..rows / 2 + 11, cols / 2 - 10..cols / 2 + 11];
        let error = (&found.slice(middle) - &expected.slice(middle)).to_owned().norm();
        let error = error / expected.slice(middle).to_owned().norm();
        assert!(error < 2e-3, "{rows}x{cols}: {error}");
    }
}

#[test]
fn exact_maps_invert_fully_sampled_data() {
    for (rows, cols) in [(64, 60), (51, 72)] {
        let sense = Sense::new(maps(rows, cols)).unwrap();
        let image = raster(rows, cols);
        let found = sense.inverse(&sense.forward(&image));
        assert!((&found - &image).norm() < 1e-5 * image.norm());
        // From the integrals, up to the ringing of a finite k-space.
        let ringing = sense.inverse(&kspace(rows, cols));
        assert!((&ringing - &image).norm() < 0.15 * image.norm());
    }
}

#[test]
fn espirit_explains_the_integrals() {
    let (rows, cols) = (96, 90);
    let kspace = kspace(rows, cols);
    let centre = calibration_block(&kspace, &Mask::full(rows * cols), 24).unwrap();
    let found = espirit(&centre, (rows, cols), &EspiritSettings::default()).unwrap();
    let images = coil_images(&kspace);
    let image = sense_combination(&images, &found[0].maps).unwrap();
    let again = &found[0].maps * &image.insert_axis(Axis(0));
    let inside = raster(rows, cols).mapv(|value| Complex32::from(f32::from(u8::from(value.re > 0.5))));
    let left = ((&again - &images) * &inside).norm() / (&images * &inside).norm();
    assert!(left < 0.02, "{left}");
    let exact = maps(rows, cols);
    let mut sines = Vec::new();
    for ((i, j), _) in inside.indexed_iter().filter(|(_, value)| value.re > 0.0) {
        let (a, b) = (found[0].maps.slice(s![.., i, j]), exact.slice(s![.., i, j]));
        let along: Complex32 = a.iter().zip(b).map(|(a, b)| a.conj() * b).sum();
        let length: f32 = b.iter().map(Complex32::norm_sqr).sum();
        sines.push((1.0 - along.norm_sqr() / length).max(0.0));
    }
    let sine = (sines.iter().sum::<f32>() / sines.len() as f32).sqrt();
    assert!(sine < 0.05, "{sine}");
}
