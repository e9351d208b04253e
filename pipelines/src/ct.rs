//! CT cases: from an image, with the measurement simulated, or from a measured sinogram.

use crate::{Case, Slice, SliceSeed};
use anyhow::{Result, ensure};
use ndarray::{Array2, Array3, Axis};
use recon_data::Volume;
use recon_operators::{DataNoise, LinearOperator, Mask, Problem, Radon, count_photons, photon_noise};

/// The sinogram of one attenuation image (1/mm), all rays measured: `y = T x`, dimensionless.
pub fn measure(image: &Array2<f32>, radon: &Radon) -> Problem<Radon> {
    let measured = radon.forward(image);
    Problem::new(radon.clone(), Mask::full(measured.len()), measured)
}

/// A retrospective case: the sinograms are simulated from `attenuation` (1/mm; slice, row, col).
pub fn from_image<'a>(attenuation: &'a Volume, radon: &'a Radon, seed: u64, number: u64) -> Case<'a, Radon> {
    let positions_um = positions(attenuation);
    let slice = Box::new(|k: usize| {
        let image = attenuation.voxels.index_axis(Axis(0), k).to_owned();
        Ok(Slice::Measured(measure(&image, radon)))
    });
    Case { positions_um, slice, seed, number, null_space: false }
}

/// A retrospective case at a low dose: as [`from_image`], seen by a detector that counts `photons` a ray in air
/// (see [`count_photons`]). The noise of a slice depends on seed, case and position alone.
pub fn low_dose<'a>(
    attenuation: &'a Volume,
    radon: &'a Radon,
    photons: f64,
    seed: u64,
    number: u64,
) -> Case<'a, Radon> {
    let positions_um = positions(attenuation);
    let places = positions_um.clone();
    let slice = Box::new(move |k: usize| {
        let image = attenuation.voxels.index_axis(Axis(0), k).to_owned();
        let mut rng = SliceSeed { seed, case: number, slice: places[k] }.measurement();
        let problem = measure(&image, radon);
        let measured = count_photons(&problem.measured, photons, &mut rng);
        let noise = photon_noise(&measured, photons);
        Ok(Slice::Measured(Problem { measured, noise, ..problem }))
    });
    Case { positions_um, slice, seed, number, null_space: false }
}

/// A case from measured line integrals (slice, angle, detector), dimensionless.
///
/// `kept` names the rays to be trusted, the same for every slice; none means all. `photons` is what a ray counts in air,
/// from which its noise follows ([`photon_noise`]); none means that nobody knows.
///
/// # Errors
/// When the sinogram or the mask does not have the shape of the scanner geometry.
pub fn from_sinogram<'a>(
    sinogram: &'a Array3<f32>,
    kept: Option<Mask>,
    photons: Option<f64>,
    radon: &'a Radon,
    (seed, number): (u64, u64),
) -> Result<Case<'a, Radon>> {
    let expected = radon.data_shape();
    let found = &sinogram.shape()[1..];
    ensure!(found == expected, "the sinogram has {found:?} views and detectors, the geometry {expected:?}");
    let mask = kept.unwrap_or_else(|| Mask::full(found.iter().product()));
    ensure!(
        mask.kept().len() == found.iter().product::<usize>(),
        "the mask does not have the sinogram's shape"
    );
    let slice = Box::new(move |k: usize| {
        let measured = mask.select(sinogram.index_axis(Axis(0), k).to_owned());
        let noise = photons.map_or(DataNoise::None, |photons| photon_noise(&measured, photons));
        Ok(Slice::Measured(Problem { transform: radon.clone(), mask: mask.clone(), measured, noise }))
    });
    Ok(Case {
        positions_um: (0..sinogram.len_of(Axis(0))).map(|k| k as i64 * 1000).collect(),
        slice,
        seed,
        number,
        null_space: false,
    })
}

/// Sinograms (slice, angle, detector) of a volume in 1/mm as [`low_dose`] has them.
pub fn simulate_low_dose(attenuation: &Volume, radon: &Radon, photons: f64, seed: u64) -> Array3<f32> {
    let mut sinograms = simulate(&attenuation.voxels, radon);
    for (mut sinogram, slice) in sinograms.outer_iter_mut().zip(positions(attenuation)) {
        let mut rng = SliceSeed { seed, case: 0, slice }.measurement();
        let counted = count_photons(&sinogram.to_owned(), photons, &mut rng);
        sinogram.assign(&counted);
    }
    sinograms
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

#[cfg(test)]
mod tests {
    use super::*;
    use recon_data::{Geometry, Unit};
    use recon_operators::{Filter, ParallelBeam};

    #[test]
    fn simulated_and_measured_cases_are_the_same_problem() {
        let radon = Radon::new(ParallelBeam::equally_spaced(12, 10, 0.7, 5), Filter::Ramp).expect("valid");
        let voxels = Array3::from_shape_fn((2, 12, 10), |(k, i, j)| ((k + i * j) % 5) as f32);
        let volume = Volume { voxels, geometry: Geometry::default(), unit: Unit::Attenuation };
        let sinograms = simulate(&volume.voxels, &radon);
        let simulated = from_image(&volume, &radon, 0, 0);
        let measured = from_sinogram(&sinograms, None, None, &radon, (0, 0)).expect("shapes agree");
        assert_eq!(simulated.positions_um, measured.positions_um);
        for k in 0..2 {
            let (Ok(Slice::Measured(a)), Ok(Slice::Measured(b))) =
                ((simulated.slice)(k), (measured.slice)(k))
            else {
                panic!("slice {k} is measured")
            };
            assert_eq!(a.measured, b.measured);
        }
    }

    #[test]
    fn the_noise_of_a_slice_does_not_depend_on_its_neighbours() {
        let radon = Radon::new(ParallelBeam::equally_spaced(12, 10, 1.0, 5), Filter::Ramp).expect("valid");
        let voxels = Array3::from_elem((2, 12, 10), 0.02);
        let volume = Volume { voxels, geometry: Geometry::default(), unit: Unit::Attenuation };
        let measured = |seed, k: usize| {
            let case = low_dose(&volume, &radon, 1e4, seed, 0);
            match (case.slice)(k) {
                Ok(Slice::Measured(problem)) => problem.measured,
                _ => panic!("slice {k} is measured"),
            }
        };
        assert_eq!(measured(0, 1), measured(0, 1));
        let simulated = simulate_low_dose(&volume, &radon, 1e4, 0);
        assert_eq!(simulated.index_axis(Axis(0), 1), measured(0, 1));
        assert_ne!(measured(0, 1), measured(0, 0));
        assert_ne!(measured(0, 1), measured(1, 1));
        let clean = measure(&volume.voxels.index_axis(Axis(0), 0).to_owned(), &radon).measured;
        let off = (&measured(0, 0) - &clean).mapv(f32::abs);
        assert!(off.iter().all(|d| *d < 0.1) && off.sum() > 0.1, "{off}");
    }

    #[test]
    fn a_sinogram_of_another_scanner_is_refused() {
        let radon = Radon::new(ParallelBeam::equally_spaced(8, 8, 1.0, 5), Filter::Ramp).expect("valid");
        let sinogram = Array3::zeros((1, 6, 9));
        assert!(from_sinogram(&sinogram, None, None, &radon, (0, 0)).is_err());
    }
}
