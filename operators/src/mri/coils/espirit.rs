//! Coil maps from the centre of k-space: ESPIRiT.

use super::calibration::{fix_phase, narrow, principal_coil, widen};
use super::linear::{Eigen, gram};
use super::pointwise::{EigenRow, Pointwise};
use crate::OperatorError;
use ndarray::{Array2, Array3, ArrayView1, ArrayView2, Axis, s};
use num_complex::{Complex32, Complex64};
use rayon::prelude::*;

/// The settings of [`espirit`]; the defaults are those of BART's `ecalib`, with one set of maps.
#[derive(Clone, Debug, PartialEq)]
pub struct EspiritSettings {
    /// Side of the kernels in k-space.
    pub kernel: usize,
    /// Patterns of the centre with less than this share of the strongest one's energy count as noise.
    pub threshold: f64,
    /// Maps are zero where their confidence is at most this.
    pub crop: f32,
    /// Sets of maps: 2 where the object is larger than the field of view, so that two places share a pixel.
    pub sets: usize,
}

impl Default for EspiritSettings {
    fn default() -> Self {
        Self { kernel: 6, threshold: 0.001, crop: 0.8, sets: 1 }
    }
}

/// The sensitivities of coils, and how sure they are.
#[derive(Clone, Debug, PartialEq)]
pub struct CoilMaps {
    /// The maps, axes (coil, row, col), of length one across coils or zero.
    pub maps: Array3<Complex32>,
    /// The confidence in them, axes (row, col), between 0 and 1.
    pub confidence: Array2<f32>,
}

/// The sets of coil maps for images of `rows` × `cols`, from the fully sampled centre of k-space, axes (coil, row, col).
///
/// All patches of the centre, `kernel` × `kernel` samples of all coils, lie near a subspace V. At each pixel that leaves a
/// Hermitian matrix across coils, with eigenvalues between 0 and 1,
///
/// ```text
/// H_cd(x) = kernel⁻² Σ_e w_cd(e) e^{−2πi e·x/N},   w_cd(e) = Σ_{q−p=e} (V Vᴴ)_{(c,p),(d,q)}
/// ```
///
/// whose eigenvectors of eigenvalue 1 are the maps; the eigenvalue is the confidence (ESPIRiT; Uecker et al., Magn. Reson. Med.
/// 71, 2014). Their phase is such that the virtual coil with the most energy sees every pixel with phase 0. Sets are ordered by
/// confidence; there are no more of them than coils.
///
/// # Errors
/// [`OperatorError::NoCoils`]; [`OperatorError::EmptyImage`]; [`OperatorError::CalibrationTooSmall`] when the centre has not more
/// rows and columns than a kernel; [`OperatorError::NotFinite`]; [`OperatorError::NoSignal`].
pub fn espirit(
    centre: &Array3<Complex32>,
    (rows, cols): (usize, usize),
    settings: &EspiritSettings,
) -> Result<Vec<CoilMaps>, OperatorError> {
    check(centre, (rows, cols), settings.kernel)?;
    let coils = centre.len_of(Axis(0));
    let weights = principal_coil(centre);
    let kernels = signal_kernels(centre, settings)?;
    let pointwise = Pointwise::new(&crossed(&kernels, coils, settings.kernel), coils, (rows, cols));
    let sets = settings.sets.clamp(1, coils);
    let found: Vec<EigenRow> = (0..rows).into_par_iter().map(|row| pointwise.row(row, sets)).collect();
    Ok((0..sets)
        .map(|set| {
            let vector = |(c, i, j): (usize, usize, usize)| found[i].vectors[[j, set, c]];
            let mut maps = Array3::from_shape_fn((coils, rows, cols), vector);
            let confidence =
                Array2::from_shape_fn((rows, cols), |(i, j)| found[i].values[[j, set]].clamp(0.0, 1.0));
            for mut coil in maps.outer_iter_mut() {
                coil.zip_mut_with(&confidence, |map, &sure| {
                    if sure <= settings.crop {
                        *map = Complex32::default();
                    }
                });
            }
            fix_phase(&mut maps, &weights);
            CoilMaps { maps, confidence }
        })
        .collect())
}

fn check(
    centre: &Array3<Complex32>,
    (rows, cols): (usize, usize),
    kernel: usize,
) -> Result<(), OperatorError> {
    let (coils, height, width) = centre.dim();
    if coils == 0 {
        return Err(OperatorError::NoCoils);
    }
    if rows == 0 || cols == 0 {
        return Err(OperatorError::EmptyImage { rows, cols });
    }
    if kernel == 0 || height <= kernel || width <= kernel {
        let needed = format!("{0}x{0}", kernel + 1);
        return Err(OperatorError::CalibrationTooSmall { rows: height, cols: width, needed });
    }
    if !centre.iter().all(|value| value.is_finite()) {
        return Err(OperatorError::NotFinite("centre of k-space"));
    }
    Ok(())
}

/// An orthonormal basis of the patches, one a row, with the entries ordered (coil, row, col).
fn signal_kernels(
    centre: &Array3<Complex32>,
    settings: &EspiritSettings,
) -> Result<Array2<Complex64>, OperatorError> {
    let gram = patch_covariance(centre, settings.kernel);
    let kernels = Eigen::of(gram, |value, largest| value > 0.0 && value > settings.threshold * largest);
    if kernels.vectors.is_empty() { Err(OperatorError::NoSignal) } else { Ok(kernels.vectors) }
}

/// `Σ p pᴴ` over all patches p of the centre.
fn patch_covariance(centre: &Array3<Complex32>, kernel: usize) -> Array2<Complex64> {
    let (coils, height, width) = centre.dim();
    let (down, right) = (height - kernel + 1, width - kernel + 1);
    // One row for every entry of a patch: that entry over all patches.
    let mut entries = Array2::<Complex64>::zeros((coils * kernel * kernel, down * right));
    for (n, mut entry) in entries.outer_iter_mut().enumerate() {
        let (c, i, j) = (n / (kernel * kernel), n / kernel % kernel, n % kernel);
        let seen = centre.slice(s![c, i..i + down, j..j + right]);
        entry.iter_mut().zip(&seen).for_each(|(entry, &value)| *entry = widen(value));
    }
    gram(&entries)
}

/// `w_cd(e)/kernel²` for c ≤ d, pairs in lexicographic order, axes (pair, row, col) with e = 0 in the middle.
fn crossed(kernels: &Array2<Complex64>, coils: usize, kernel: usize) -> Array3<Complex32> {
    let area = kernel * kernel;
    let pairs: Vec<(usize, usize)> = (0..coils).flat_map(|c| (c..coils).map(move |d| (c, d))).collect();
    let mut crossed = Array3::zeros((pairs.len(), 2 * kernel - 1, 2 * kernel - 1));
    let mut sum = Array2::<Complex64>::zeros((2 * kernel - 1, 2 * kernel - 1));
    let part = |coil: usize| stacked(&kernels.slice(s![.., coil * area..(coil + 1) * area]), kernel);
    for (&(c, d), mut target) in pairs.iter().zip(crossed.outer_iter_mut()) {
        sum.fill(Complex64::default());
        let (Some(left), Some(right)) = (part(c), part(d)) else { continue };
        for (left, right) in left.outer_iter().zip(right.outer_iter()) {
            for ((i, j), &here) in left.indexed_iter() {
                let (top, side) = (kernel - 1 - i, kernel - 1 - j);
                let mut reached = sum.slice_mut(s![top..top + kernel, side..side + kernel]);
                reached.zip_mut_with(&right, |sum, there| *sum += here * there.conj());
            }
        }
        target.zip_mut_with(&sum, |target, &value| *target = narrow(value / area as f64));
    }
    crossed
}

/// Kernels of one coil with the axes (kernel, row, col).
fn stacked(part: &ArrayView2<'_, Complex64>, kernel: usize) -> Option<Array3<Complex64>> {
    let count = part.nrows();
    let part = part.as_standard_layout().into_owned();
    part.into_shape_with_order((count, kernel, kernel)).ok()
}

/// The share of `‖m‖²` that projection onto the maps leaves over: how far the images m of coils are from being one image seen
/// through them. Images and maps (coil, row, col) of one shape; 0 when there is nothing to see.
pub fn unexplained(images: &Array3<Complex32>, sets: &[CoilMaps]) -> f64 {
    let energy = |pixel: &ArrayView1<'_, Complex32>| -> f64 {
        pixel.iter().map(|&value| widen(value).norm_sqr()).sum()
    };
    let all: f64 = images.lanes(Axis(0)).into_iter().map(|pixel| energy(&pixel)).sum();
    let explained: f64 = sets
        .iter()
        .flat_map(|set| images.lanes(Axis(0)).into_iter().zip(set.maps.lanes(Axis(0))))
        .map(|(pixel, map)| {
            let seen: Complex64 = map.iter().zip(pixel).map(|(&s, &m)| widen(s).conj() * widen(m)).sum();
            seen.norm_sqr()
        })
        .sum();
    if all > 0.0 { (1.0 - explained / all).max(0.0) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Mask;
    use crate::mri::coils::{birdcage, calibration_block, coil_images, coil_kspace};

    fn centred(index: usize, length: usize) -> f32 {
        2.0 * index as f32 / length as f32 - 1.0
    }

    fn inside((i, j): (usize, usize), (rows, cols): (usize, usize)) -> bool {
        (centred(i, rows) / 0.8).hypot(centred(j, cols) / 0.7) < 1.0
    }

    /// A body with parts, and what coils of these `maps` see of it.
    fn seen(maps: &Array3<Complex32>) -> Array3<Complex32> {
        let (_, rows, cols) = maps.dim();
        let body = Array2::from_shape_fn((rows, cols), |(i, j)| {
            let part = f32::from(u8::from(i / 6 % 2 == 0)) * 0.3 + f32::from(u8::from(j / 9 % 2 == 0)) * 0.4;
            f32::from(u8::from(inside((i, j), (rows, cols)))) * (0.5 + part)
        });
        maps * &body.mapv(Complex32::from)
    }

    fn calibrated(kspace: &Array3<Complex32>, settings: &EspiritSettings) -> Vec<CoilMaps> {
        let (_, rows, cols) = kspace.dim();
        let centre = calibration_block(kspace, &Mask::full(rows * cols), 24).expect("sampled");
        espirit(&centre, (rows, cols), settings).expect("possible")
    }

    #[test]
    fn the_maps_of_a_birdcage_are_found() {
        for (coils, rows, cols) in [(8, 64, 60), (5, 49, 72)] {
            let maps = birdcage(coils, rows, cols);
            let kspace = coil_kspace(&seen(&maps));
            let found = &calibrated(&kspace, &EspiritSettings::default())[0];
            let (mut missed, mut count) = (0.0_f64, 0);
            for (i, j) in ndarray::indices((rows, cols)).into_iter().filter(|&at| inside(at, (rows, cols))) {
                let pair = found.maps.slice(s![.., i, j]).into_iter().zip(maps.slice(s![.., i, j]));
                let cosine: Complex32 = pair.map(|(a, b)| a.conj() * b).sum();
                missed += f64::from(1.0 - cosine.norm_sqr()).max(0.0);
                count += 1;
            }
            let sine = (missed / f64::from(count)).sqrt();
            assert!(sine < 0.02, "{coils} coils: {sine}");
            assert!(unexplained(&seen(&maps), std::slice::from_ref(found)) < 1e-3);
        }
    }

    #[test]
    fn outside_of_the_body_there_are_no_maps() {
        let kspace = coil_kspace(&seen(&birdcage(8, 96, 96)));
        let found = &calibrated(&kspace, &EspiritSettings::default())[0];
        assert!(found.maps.slice(s![.., 0, 0]).iter().all(|value| value.norm() == 0.0));
        assert!(found.confidence[[0, 0]] < 0.8 && found.confidence[[48, 48]] > 0.99);
        assert!(found.confidence.iter().all(|&value| (0.0..=1.0).contains(&value)));
    }

    #[test]
    fn the_principal_virtual_coil_has_no_phase() {
        let kspace = coil_kspace(&seen(&birdcage(6, 40, 44)));
        let centre = calibration_block(&kspace, &Mask::full(40 * 44), 24).expect("sampled");
        let found = espirit(&centre, (40, 44), &EspiritSettings::default()).expect("possible");
        let weights = crate::mri::coils::calibration::principal_coil(&centre);
        for pixel in found[0].maps.lanes(Axis(0)) {
            let seen: Complex64 = weights.iter().zip(pixel).map(|(w, &map)| w.conj() * widen(map)).sum();
            assert!(seen.im.abs() < 1e-5 && seen.re >= 0.0);
        }
    }

    #[test]
    fn an_object_that_wraps_needs_two_sets() {
        // Every second column of k-space: the halves of the image lie on one another.
        let whole = coil_kspace(&seen(&birdcage(8, 64, 96)));
        let folded = whole.slice(s![.., .., ..;2]).to_owned();
        let sets = calibrated(&folded, &EspiritSettings { sets: 2, ..EspiritSettings::default() });
        let images = coil_images(&folded);
        let (one, two) = (unexplained(&images, &sets[..1]), unexplained(&images, &sets));
        assert!(two < 5e-3 && two < 0.1 * one, "{one} {two}");
        for (a, b) in sets[0].maps.lanes(Axis(0)).into_iter().zip(sets[1].maps.lanes(Axis(0))) {
            let along: Complex32 = a.iter().zip(b).map(|(a, b)| a.conj() * b).sum();
            assert!(along.norm() < 1e-3);
        }
    }

    #[test]
    fn threads_do_not_change_a_bit() {
        let kspace = coil_kspace(&seen(&birdcage(4, 40, 40)));
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
            pool.install(|| calibrated(&kspace, &EspiritSettings::default()))
        };
        assert_eq!(run(1), run(2));
    }

    #[test]
    fn what_cannot_be_calibrated_is_refused() {
        let run = |centre: &Array3<Complex32>| espirit(centre, (16, 16), &EspiritSettings::default()).err();
        assert_eq!(run(&Array3::zeros((0, 24, 24))), Some(OperatorError::NoCoils));
        assert_eq!(run(&Array3::zeros((2, 24, 24))), Some(OperatorError::NoSignal));
        assert!(matches!(run(&Array3::zeros((2, 6, 24))), Some(OperatorError::CalibrationTooSmall { .. })));
        let broken = Array3::from_elem((2, 24, 24), Complex32::new(0.0, f32::INFINITY));
        assert!(matches!(run(&broken), Some(OperatorError::NotFinite(_))));
    }
}
