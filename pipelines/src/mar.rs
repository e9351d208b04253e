//! Metal artifact reduction: CT in which the rays through metal are not to be trusted.

use crate::ct::positions;
use crate::{Case, Slice, SliceSeed};
use ndarray::{Array2, Array3, Axis, Zip};
use rand_chacha::ChaCha8Rng;
use recon_data::Volume;
use recon_operators::{
    Implants, LinearOperator, Mask, Problem, Radon, measure_through_titanium, metal_trace,
};

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
    Problem::new(radon.clone(), mask, measured)
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
    Case { positions_um: positions(attenuation), slice, seed, number, null_space: false }
}

/// Where `implants` come to lie in the slices of `tissue`, axes (slice, row, col), which are those of `attenuation`; what
/// is drawn for a slice depends on seed, case and position alone.
///
/// `spacing` is the side of a pixel in mm.
pub fn implanted(
    attenuation: &Volume,
    tissue: &Array3<bool>,
    implants: &Implants,
    spacing: f64,
    (seed, number): (u64, u64),
) -> Array3<bool> {
    let mut metal = Array3::from_elem(tissue.raw_dim(), false);
    let slices = metal.outer_iter_mut().zip(tissue.outer_iter()).zip(positions(attenuation));
    for ((mut metal, tissue), slice) in slices {
        let mut rng = SliceSeed { seed, case: number, slice }.implants();
        metal.assign(&implants.place(&tissue.to_owned(), spacing, &mut rng));
    }
    metal
}

/// The sinogram of one image of `attenuation` (1/mm) whose `metal` is titanium: where rays meet metal, photons are
/// counted that came [through it](measure_through_titanium); the others are the image's line integrals without noise.
pub fn scan_titanium(
    attenuation: &Array2<f32>,
    metal: &Array2<bool>,
    radon: &Radon,
    rng: &mut ChaCha8Rng,
) -> Array2<f32> {
    let mut scanned = radon.forward(attenuation);
    let around =
        Zip::from(attenuation).and(metal).map_collect(|&mu, &is_metal| if is_metal { 0.0 } else { mu });
    let around = radon.forward(&around);
    let thickness = radon.forward(&metal.mapv(|is_metal| if is_metal { 1.0 } else { 0.0 }));
    let trace = metal_trace(radon, metal, 0);
    let rays = scanned.iter_mut().zip(&around).zip(&thickness).zip(trace.kept());
    for (((ray, &around), &thickness), _) in rays.filter(|(_, misses)| !**misses) {
        *ray = measure_through_titanium(around, thickness, rng);
    }
    scanned
}

/// A case without any correction: the images with their metal turned into titanium, seen by all rays, which are all
/// trusted. The noise of a slice depends on seed, case and position alone.
pub fn uncorrected<'a>(
    attenuation: &'a Volume,
    metal: &'a Array3<bool>,
    radon: &'a Radon,
    (seed, number): (u64, u64),
) -> Case<'a, Radon> {
    let positions_um = positions(attenuation);
    let places = positions_um.clone();
    let slice = Box::new(move |k: usize| {
        let image = attenuation.voxels.index_axis(Axis(0), k).to_owned();
        let metal = metal.index_axis(Axis(0), k).to_owned();
        let mut rng = SliceSeed { seed, case: number, slice: places[k] }.measurement();
        let measured = scan_titanium(&image, &metal, radon, &mut rng);
        Ok(Slice::Measured(Problem::new(radon.clone(), Mask::full(measured.len()), measured)))
    });
    Case { positions_um, slice, seed, number, null_space: false }
}

/// Puts the metal back: where `metal`, the original value.
pub fn restore_metal(result: &mut Array3<f32>, original: &Array3<f32>, metal: &Array3<bool>) {
    Zip::from(result).and(original).and(metal).for_each(|value, &before, &is_metal| {
        if is_metal {
            *value = before;
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Direct, LinearInterpolation, Reconstruct, Silent, SliceSeed};
    use recon_operators::{Filter, ParallelBeam};

    fn disc(radius: f32, centre: (f32, f32), value: f32) -> Array2<f32> {
        Array2::from_shape_fn((48, 48), |(i, j)| {
            let (y, x) = (i as f32 - centre.0, j as f32 - centre.1);
            if x * x + y * y < radius * radius { value } else { 0.0 }
        })
    }

    /// Interpolation must bridge the gap that leaving the trace empty makes.
    #[test]
    fn interpolation_is_better_than_an_empty_trace() {
        let radon = Radon::new(ParallelBeam::equally_spaced(48, 48, 1.0, 90), Filter::Ramp).expect("valid");
        let body = disc(20.0, (23.5, 23.5), 0.02);
        let metal = disc(2.5, (20.0, 30.0), 1.0).mapv(|v| v > 0.0);
        let mut scanned = body.clone();
        Zip::from(&mut scanned).and(&metal).for_each(|v, &m| *v = if m { 0.2 } else { *v });
        let problem = measure(&scanned, &metal, &radon, 1);
        assert!(!problem.mask.is_full());
        let seed = SliceSeed { seed: 0, case: 0, slice: 0 };
        let error = |method: &dyn Reconstruct<Radon>| {
            let image = method.reconstruct(&problem, seed, &Silent).expect("runs").image;
            (image - &body).mapv(|d| d * d).sum().sqrt() / body.mapv(|v| v * v).sum().sqrt()
        };
        let (filled, empty) = (error(&LinearInterpolation), error(&Direct));
        assert!(filled < 0.2 && filled < 0.5 * empty, "{filled} against {empty}");
    }

    #[test]
    fn titanium_changes_the_trace_and_nothing_else() {
        let radon = Radon::new(ParallelBeam::equally_spaced(48, 48, 1.0, 30), Filter::Ramp).expect("valid");
        let body = disc(20.0, (23.5, 23.5), 0.02);
        let metal = disc(2.5, (20.0, 30.0), 1.0).mapv(|v| v > 0.0);
        let scan = |slice| {
            let mut rng = SliceSeed { seed: 0, case: 0, slice }.measurement();
            scan_titanium(&body, &metal, &radon, &mut rng)
        };
        let (clean, scanned) = (radon.forward(&body), scan(0));
        assert_eq!(scanned, scan(0));
        assert_ne!(scanned, scan(1));
        let kept = metal_trace(&radon, &metal, 0);
        for ((before, after), kept) in clean.iter().zip(&scanned).zip(kept.kept()) {
            assert!(if *kept { before == after } else { (after - before).abs() > 1e-4 });
        }
        // What the methods with a correction are given is part of the same scan.
        let problem = measure(&body, &metal, &radon, 1);
        assert_eq!(problem.mask.select(scanned), problem.measured);
    }

    #[test]
    fn implants_are_drawn_a_slice_by_its_position() {
        let tissue = Array3::from_elem((2, 40, 40), true);
        let voxels = Array3::from_elem((2, 40, 40), 0.02);
        let geometry = recon_data::Geometry::default();
        let volume = Volume { voxels, geometry, unit: recon_data::Unit::Attenuation };
        let implants = Implants { pieces: 2, semi_axes: (1.0, 3.0) };
        let draw = |seed| implanted(&volume, &tissue, &implants, 1.0, (seed, 0));
        let metal = draw(0);
        assert_eq!(metal, draw(0));
        assert_ne!(metal, draw(1));
        assert_ne!(metal.index_axis(Axis(0), 0), metal.index_axis(Axis(0), 1));
    }

    #[test]
    fn metal_comes_back_where_it_was() {
        let original = Array3::from_elem((1, 2, 2), 9.0);
        let mut result = Array3::zeros((1, 2, 2));
        let metal = Array3::from_shape_fn((1, 2, 2), |(_, i, j)| i == j);
        restore_metal(&mut result, &original, &metal);
        assert_eq!(result.into_raw_vec_and_offset().0, [9.0, 0.0, 0.0, 9.0]);
    }
}
