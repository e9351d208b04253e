//! CT cases: from an image, with the measurement simulated, or from a measured sinogram.

use crate::{Case, Slice};
use anyhow::{Result, ensure};
use ndarray::{Array2, Array3, ArrayView3, Axis};
use recon_data::Volume;
use recon_operators::{LinearOperator, Mask, Problem, Radon};

/// The sinogram of one attenuation image (1/mm), all rays measured: `y = T x`, dimensionless.
pub fn measure(image: &Array2<f32>, radon: &Radon) -> Problem<Radon> {
    let measured = radon.forward(image);
    Problem { transform: radon.clone(), mask: Mask::full(measured.len()), measured }
}

/// A retrospective case: the sinograms are simulated from `attenuation` (1/mm; slice, row, col).
pub fn from_image<'a>(attenuation: &'a Volume, radon: &'a Radon, seed: u64, number: u64) -> Case<'a, Radon> {
    let positions_um = positions(attenuation);
    let slice = Box::new(|k: usize| {
        let image = attenuation.voxels.index_axis(Axis(0), k).to_owned();
        Ok(Slice::Measured(measure(&image, radon)))
    });
    Case { positions_um, slice, seed, number }
}

/// A case from measured line integrals (slice, angle, detector), dimensionless.
///
/// `kept` names the rays to be trusted, the same for every slice; none means all.
///
/// # Errors
/// When the sinogram or the mask does not have the shape of the scanner geometry.
pub fn from_sinogram<'a>(
    sinogram: ArrayView3<'a, f32>,
    kept: Option<Mask>,
    radon: &'a Radon,
    seed: u64,
    number: u64,
) -> Result<Case<'a, Radon>> {
    let expected = radon.data_shape();
    let found = &sinogram.shape()[1..];
    ensure!(found == expected, "the sinogram has {found:?} views and detectors, the geometry {expected:?}");
    let mask = kept.unwrap_or_else(|| Mask::full(found.iter().product()));
    ensure!(mask.kept().len() == found.iter().product::<usize>(), "the mask does not have the sinogram's shape");
    let slice = Box::new(move |k: usize| {
        let measured = mask.select(sinogram.index_axis(Axis(0), k).to_owned());
        Ok(Slice::Measured(Problem { transform: radon.clone(), mask: mask.clone(), measured }))
    });
    Ok(Case { positions_um: (0..sinogram.len_of(Axis(0))).map(|k| k as i64 * 1000).collect(), slice, seed, number })
}

/// Sinograms (slice, angle, detector) of a volume in 1/mm.
pub fn simulate(attenuation: &Array3<f32>, radon: &Radon) -> Array3<f32> {
    let shape = radon.data_shape();
    let mut sinograms = Array3::zeros((attenuation.len_of(Axis(0)), shape[0], shape[1]));
    for (image, mut sinogram) in attenuation.outer_iter().zip(sinograms.outer_iter_mut()) {
        sinogram.assign(&radon.forward(&image.to_owned()));
    }
    sinograms
}

pub(crate) fn positions(volume: &Volume) -> Vec<i64> {
    (0..volume.voxels.len_of(Axis(0))).map(|k| volume.geometry.slice_position_um(k)).collect()
}
