//! Metal artifact reduction: CT in which the rays through metal are not to be trusted.

use crate::ct::positions;
use crate::{Case, Slice};
use ndarray::{Array2, Array3, Axis, Zip};
use recon_data::Volume;
use recon_operators::{LinearOperator, Problem, Radon, metal_trace};

/// Voxels of a volume at or above `threshold` (in the volume's unit), axes (slice, row, col).
pub fn metal_above(volume: &Volume, threshold: f32) -> Array3<bool> {
    volume.voxels.mapv(|value| value >= threshold)
}

/// The problem of one slice: the sinogram of `attenuation` (1/mm) without the rays that come within
/// `margin` detector bins of metal.
pub fn measure(
    attenuation: &Array2<f32>,
    metal: &Array2<bool>,
    radon: &Radon,
    margin: usize,
) -> Problem<Radon> {
    let mask = metal_trace(radon, metal, margin);
    let measured = mask.select(radon.forward(attenuation));
    Problem { transform: radon.clone(), mask, measured }
}

/// A case whose sinograms are the projections of the given images, artifacts and all.
///
/// Slices without metal are left as they are.
pub fn from_image<'a>(
    attenuation: &'a Volume,
    metal: &'a Array3<bool>,
    radon: &'a Radon,
    margin: usize,
    (seed, number): (u64, u64),
) -> Case<'a, Radon> {
    let slice = Box::new(move |k: usize| {
        let image = attenuation.voxels.index_axis(Axis(0), k).to_owned();
        let metal = metal.index_axis(Axis(0), k).to_owned();
        if !metal.iter().any(|&is_metal| is_metal) {
            return Ok(Slice::Known(image));
        }
        Ok(Slice::Measured(measure(&image, &metal, radon, margin)))
    });
    Case { positions_um: positions(attenuation), slice, seed, number }
}

/// Puts the metal back: where `metal`, the original value.
pub fn restore_metal(result: &mut Array3<f32>, original: &Array3<f32>, metal: &Array3<bool>) {
    Zip::from(result).and(original).and(metal).for_each(|value, &before, &is_metal| {
        if is_metal {
            *value = before;
        }
    });
}
