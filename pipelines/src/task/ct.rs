//! CT from few views: of an image, with the measurement simulated, or from a measured sinogram.

use super::study::told;
use super::{
    Body, CaseSeed, CtSpec, Frame, ImageInput, Images, Remarks, SinogramInput, Slice, Study, Truth, VIEWS,
    Values, arrays, check,
};
use crate::report::preview::Window;
use crate::{Refused, SliceSeed, UnitName};
use anyhow::{Result, ensure};
use ndarray::{Array2, Array3, Axis};
use recon_data::{Geometry, Source, Unit};
use recon_operators::{
    DataNoise, LinearOperator, Mask, OperatorError, ParallelBeam, Problem, Radon, count_photons, photon_noise,
};

/// The sinogram of one attenuation image (1/mm), all rays measured: `y = T x`, dimensionless.
///
/// # Errors
/// When the image is not one of the scanner.
pub fn measure(image: &Array2<f32>, radon: &Radon) -> Result<Problem<Radon>> {
    let measured = radon.forward(image);
    Ok(Problem::new(radon.clone(), Mask::full(measured.len()), measured)?)
}

/// The sinogram of one image as [`measure`] has it, seen by a detector that counts `photons` a ray in air (see
/// [`count_photons`]); the noise is that of the slice's seed.
///
/// # Errors
/// As [`measure`].
pub fn measure_low_dose(
    image: &Array2<f32>,
    radon: &Radon,
    photons: f64,
    seed: SliceSeed,
) -> Result<Problem<Radon>> {
    let problem = measure(image, radon)?;
    let measured = count_photons(&problem.measured, photons, &mut seed.measurement());
    let noise = photon_noise(&measured, photons);
    Ok(Problem { measured, ..problem }.with_noise(noise)?)
}

/// CT whose sinograms are simulated from images.
pub struct ImageCt {
    body: Body,
    radon: Radon,
    photons: Option<f64>,
    noise_std: Option<f64>,
    seed: CaseSeed,
    truth: Truth,
    frame: Frame,
}

impl ImageCt {
    /// Opens the images of a case, with what the user should know.
    ///
    /// # Errors
    /// When they cannot be read, or cannot be measured so.
    pub fn open(input: &ImageInput, spec: &CtSpec, seed: CaseSeed) -> Result<(Self, Remarks)> {
        let (mut images, mut remarks) = Images::open(&input.path, input.slices, input.selection())?;
        let spacing = images.square_spacing(input.spacing, &input.path)?;
        let views = spec.views.unwrap_or(VIEWS);
        remarks.note(format!(
            "simulating {views} views over 180 degrees from the image; for measured data use --sinogram"
        ));
        let body = Body::checked(images, input.unit, &input.path, &mut remarks)?;
        if spec.photons.is_some() {
            body.check_attenuation("--photons")?;
        }
        let radon = body.scanner(views, spec.detectors, spacing, spec.filter)?;
        let (unit, shape) = (body.unit(), body.images().shape());
        let truth = Truth::new(input.reference.as_deref(), true, unit, shape, input.slices)?;
        let study = Self { truth, noise_std: spec.noise_std, ..Self::of(body, radon, spec.photons, seed) };
        Ok((study, remarks))
    }

    /// Images that are open, seen by a scanner.
    pub fn of(body: Body, radon: Radon, photons: Option<f64>, seed: CaseSeed) -> Self {
        let frame = frame(&body);
        Self { body, radon, photons, noise_std: None, seed, truth: Truth::Measured, frame }
    }
}

/// What results of simulated CT look like: as the images do.
pub(super) fn frame(body: &Body) -> Frame {
    let images = body.images();
    Frame {
        shape: images.shape(),
        geometry: images.geometry().clone(),
        values: Values::of_ct(body.unit()),
        source: images.source().clone(),
        keep_axis: images.keep_axis(),
    }
}

/// The window of pictures of CT: soft tissue where the unit is known.
pub(super) fn window(values: Values) -> Option<Window> {
    (values == Values::Hounsfield).then_some(Window::SOFT_TISSUE)
}

impl Study for ImageCt {
    type Transform = Radon;

    fn frame(&self) -> &Frame {
        &self.frame
    }

    fn seed(&self, k: usize) -> SliceSeed {
        self.seed.slice(self.body.images().position_um(k))
    }

    fn slice(&self, k: usize) -> Result<Slice<Radon>> {
        let image = self.body.attenuation(k)?;
        let problem = match self.photons {
            None => measure(&image, &self.radon)?,
            Some(photons) => measure_low_dose(&image, &self.radon, photons, self.seed(k))?,
        };
        Ok(Slice::Measured(told(problem, self.noise_std)))
    }

    fn image(&self, _k: usize, image: Array2<f32>) -> Result<Array2<f32>> {
        Ok(self.frame.values.image(image))
    }

    fn difference(&self, difference: Array2<f32>) -> Array2<f32> {
        self.frame.values.difference(difference)
    }

    fn truth(&self, k: usize) -> Result<Option<Array2<f32>>> {
        self.truth.slice(k, Some(self.body.images()))
    }

    fn knows_truth(&self) -> bool {
        self.truth.is_known()
    }

    fn window(&self) -> Option<Window> {
        window(self.frame.values)
    }
}

/// CT from measured line integrals (slice, angle, detector), dimensionless.
pub struct SinogramCt {
    sinogram: Array3<f32>,
    /// The rays to be trusted, the same for every slice.
    mask: Mask,
    radon: Radon,
    photons: Option<f64>,
    noise_std: Option<f64>,
    seed: CaseSeed,
    truth: Truth,
    frame: Frame,
}

impl SinogramCt {
    /// Opens the sinogram of a case.
    ///
    /// # Errors
    /// When a file cannot be read or has another shape than the others.
    pub fn open(input: &SinogramInput, spec: &CtSpec, seed: CaseSeed) -> Result<(Self, Remarks)> {
        let sinogram = arrays::real_stack(&input.path, input.slices)?;
        let (slices, views, detectors) = sinogram.dim();
        let side = input.spacing.unwrap_or(1.0);
        let (rows, cols) = (input.size.rows, input.size.cols);
        let equally = ParallelBeam::equally_spaced(rows, cols, side as f32, views).angles;
        let angles =
            input.angles.as_ref().map_or(Ok(equally), |path| arrays::angles(path, sinogram.dim()))?;
        let mut geometry = ParallelBeam::with_angles(rows, cols, side as f32, angles, Some(detectors));
        geometry.detector_spacing = input.detector_spacing.unwrap_or(side) as f32;
        geometry.axis_offset = input.center.map_or(0.0, |bin| bin - geometry.axis_bin());
        let mut remarks = Remarks::default();
        if input.angles.is_some() && looks_like_radians(&geometry.angles) {
            remarks.warn("the angles are taken as degrees but look like radians; give degrees");
        }
        remarks.warnings.extend(check::sinogram::warnings(
            &sinogram.view(),
            &geometry,
            input.angles.is_some(),
        ));
        let radon = Radon::new(geometry, spec.filter.into())?;
        let kept = input.mask.as_ref().map(|mask| arrays::mask(mask, views, detectors, None)).transpose()?;
        // Line integrals of .npy arrays have no unit unless the user says which, so that a phantom works too.
        let unit: Unit = input.unit.unwrap_or(UnitName::Arbitrary).into();
        let frame = Frame {
            shape: [slices, rows, cols],
            geometry: Geometry { spacing_mm: [1.0, side, side], ..Geometry::default() },
            values: Values::of_ct(unit),
            source: Source::Npy,
            keep_axis: super::has_slice_axis(&input.path),
        };
        let truth = Truth::new(input.reference.as_deref(), false, unit, frame.shape, input.slices)?;
        let study = Self {
            truth,
            noise_std: spec.noise_std,
            ..Self::of(sinogram, kept, spec.photons, radon, (seed, frame))?
        };
        Ok((study, remarks))
    }

    /// Line integrals in memory. `kept` names the rays to be trusted; none means all. `photons` is what a ray counts in
    /// air, from which its noise follows ([`photon_noise`]); none means that nobody knows.
    ///
    /// # Errors
    /// When the sinogram or the mask does not have the shape of the scanner geometry.
    pub fn of(
        sinogram: Array3<f32>,
        kept: Option<Mask>,
        photons: Option<f64>,
        radon: Radon,
        (seed, frame): (CaseSeed, Frame),
    ) -> Result<Self> {
        let expected = radon.data_shape();
        let found = &sinogram.shape()[1..];
        ensure!(
            found == expected,
            Refused::Input(format!(
                "the sinogram has {found:?} views and detectors, the geometry {expected:?}; give the angles of this sinogram"
            ))
        );
        let entries = found.iter().product();
        let mask = kept.unwrap_or_else(|| Mask::full(entries));
        let flags = mask.kept().len();
        ensure!(flags == entries, OperatorError::MaskLength { flags, entries });
        Ok(Self { sinogram, mask, radon, photons, noise_std: None, seed, truth: Truth::Unknown, frame })
    }
}

/// Whether angles, read as degrees, lie so close together that they are more likely radians.
fn looks_like_radians(angles: &[f64]) -> bool {
    let range = angles
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &angle| (low.min(angle), high.max(angle)));
    // Fewer views over so few degrees may be a part of a scan.
    angles.len() >= 16 && (range.1 - range.0).to_degrees() <= 2.0 * std::f64::consts::PI
}

/// Slices of arrays lie 1 mm apart.
pub(super) fn array_position_um(k: usize) -> i64 {
    k as i64 * 1000
}

impl Study for SinogramCt {
    type Transform = Radon;

    fn frame(&self) -> &Frame {
        &self.frame
    }

    fn seed(&self, k: usize) -> SliceSeed {
        self.seed.slice(array_position_um(k))
    }

    fn slice(&self, k: usize) -> Result<Slice<Radon>> {
        let measured = self.mask.select(self.sinogram.index_axis(Axis(0), k).to_owned());
        let noise = self.photons.map_or(DataNoise::None, |photons| photon_noise(&measured, photons));
        let problem = Problem::new(self.radon.clone(), self.mask.clone(), measured)?.with_noise(noise)?;
        Ok(Slice::Measured(told(problem, self.noise_std)))
    }

    fn image(&self, _k: usize, image: Array2<f32>) -> Result<Array2<f32>> {
        Ok(self.frame.values.image(image))
    }

    fn difference(&self, difference: Array2<f32>) -> Array2<f32> {
        self.frame.values.difference(difference)
    }

    fn truth(&self, k: usize) -> Result<Option<Array2<f32>>> {
        self.truth.slice(k, None)
    }

    fn knows_truth(&self) -> bool {
        self.truth.is_known()
    }

    fn window(&self) -> Option<Window> {
        window(self.frame.values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use recon_data::Volume;
    use recon_operators::Filter;

    const SEED: CaseSeed = CaseSeed { seed: 0, case: 7 };

    fn body(voxels: Array3<f32>) -> Body {
        let volume = Volume { voxels, geometry: Geometry::default(), unit: Unit::Attenuation };
        Body::new(Images::held(volume, Source::Npy), None)
    }

    fn problem(study: &impl Study<Transform = Radon>, k: usize) -> Problem<Radon> {
        match study.slice(k) {
            Ok(Slice::Measured(problem)) => problem,
            _ => panic!("slice {k} is measured"),
        }
    }

    #[test]
    fn simulated_and_measured_cases_are_the_same_problem() {
        let radon = Radon::new(ParallelBeam::equally_spaced(12, 10, 0.7, 5), Filter::Ramp).expect("valid");
        let voxels = Array3::from_shape_fn((2, 12, 10), |(k, i, j)| ((k + i * j) % 5) as f32);
        let simulated = ImageCt::of(body(voxels), radon.clone(), None, SEED);
        let data: Vec<_> = (0..2).map(|k| problem(&simulated, k).measured).collect();
        let views: Vec<_> = data.iter().map(|slice| slice.view()).collect();
        let sinogram = ndarray::stack(Axis(0), &views).expect("one shape");
        let measured =
            SinogramCt::of(sinogram, None, None, radon, (SEED, simulated.frame().clone())).expect("fits");
        for k in 0..2 {
            assert_eq!(simulated.seed(k), measured.seed(k));
            assert_eq!(problem(&simulated, k).measured, problem(&measured, k).measured);
        }
    }

    #[test]
    fn the_noise_of_a_slice_does_not_depend_on_its_neighbours() {
        let radon = Radon::new(ParallelBeam::equally_spaced(12, 10, 1.0, 5), Filter::Ramp).expect("valid");
        let measured = |seed, k: usize| {
            let body = body(Array3::from_elem((2, 12, 10), 0.02));
            problem(&ImageCt::of(body, radon.clone(), Some(1e4), CaseSeed { seed, case: 7 }), k).measured
        };
        assert_eq!(measured(0, 1), measured(0, 1));
        assert_ne!(measured(0, 1), measured(0, 0));
        assert_ne!(measured(0, 1), measured(1, 1));
        let clean = radon.forward(&Array2::from_elem((12, 10), 0.02));
        let off = (&measured(0, 0) - &clean).mapv(f32::abs);
        assert!(off.iter().all(|d| *d < 0.1) && off.sum() > 0.1, "{off}");
    }

    #[test]
    fn a_sinogram_of_another_scanner_is_refused() {
        let radon = Radon::new(ParallelBeam::equally_spaced(8, 8, 1.0, 5), Filter::Ramp).expect("valid");
        let frame = frame(&body(Array3::zeros((1, 8, 8))));
        let opened = |views, mask| {
            let (sinogram, frame) = (Array3::zeros((1, views, radon.data_shape()[1])), frame.clone());
            SinogramCt::of(sinogram, mask, None, radon.clone(), (SEED, frame)).is_ok()
        };
        let entries = radon.data_shape().iter().product();
        assert!(opened(5, None) && opened(5, Some(Mask::full(entries))));
        assert!(!opened(6, None) && !opened(5, Some(Mask::full(entries - 1))));
    }

    #[test]
    fn noise_that_is_told_replaces_what_photons_imply() {
        let radon = Radon::new(ParallelBeam::equally_spaced(8, 8, 1.0, 5), Filter::Ramp).expect("valid");
        let counted = ImageCt::of(body(Array3::from_elem((1, 8, 8), 0.02)), radon, Some(1e4), SEED);
        assert!(matches!(problem(&counted, 0).noise, DataNoise::Independent(_)));
        let told = ImageCt { noise_std: Some(0.5), ..counted };
        assert_eq!(problem(&told, 0).noise, DataNoise::White(0.5));
    }
}
