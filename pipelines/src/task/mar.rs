//! Metal artifact reduction: CT in which the rays through metal are not to be trusted.

use super::arrays::wrong_shape;
use super::study::told;
use super::{Body, CaseSeed, Frame, ImageInput, Images, MarSpec, Remarks, Slice, Study, Truth};
use crate::report::preview::Window;
use crate::{Refused, SliceSeed};
use anyhow::Result;
use ndarray::{Array2, Array3, Axis, Zip};
use rand_chacha::ChaCha8Rng;
use recon_operators::{
    Implants, LinearOperator, Mask, Problem, Radon, measure_through_titanium, metal_trace,
};

/// The problem of one slice: the sinogram of `attenuation` (1/mm) without the rays that come within
/// `margin` detector bins of metal.
///
/// # Errors
/// When the image is not one of the scanner.
pub fn measure(
    attenuation: &Array2<f32>,
    metal: &Array2<bool>,
    radon: &Radon,
    margin: usize,
) -> Result<Problem<Radon>> {
    let mask = metal_trace(radon, metal, margin);
    let measured = mask.select(radon.forward(attenuation));
    Ok(Problem::new(radon.clone(), mask, measured)?)
}

/// CT around metal that is in the images.
///
/// Slices without metal are left as they are.
pub struct ImageMar {
    body: Body,
    metal: Metal,
    radon: Radon,
    correction: Correction,
    noise_std: Option<f64>,
    seed: CaseSeed,
    truth: Truth,
    frame: Frame,
}

/// Where metal is in a stack of images.
pub enum Metal {
    /// Where values, in the unit of the images, are at or above this.
    Above(f32),
    /// Here, axes (slice, row, col).
    At(Array3<bool>),
}

/// What is done about the rays through metal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Correction {
    /// Nothing: all rays are trusted.
    None,
    /// Rays that come within so many detector bins of metal are not trusted.
    Margin(usize),
}

impl Metal {
    /// That of the images of a case.
    ///
    /// # Errors
    /// When a mask file cannot be read or has another shape.
    pub fn new(spec: &MarSpec, shape: [usize; 3]) -> Result<Self> {
        let Some(path) = &spec.metal_mask else { return Ok(Self::Above(spec.metal_threshold)) };
        let mut mask = recon_data::npy::read_mask(path)?;
        if mask.ndim() == 2 {
            mask.insert_axis_inplace(Axis(0));
        }
        if mask.shape() != shape {
            return Err(wrong_shape(path, mask.shape(), &format!("a mask of {shape:?}")));
        }
        Ok(Self::At(mask.into_dimensionality()?))
    }

    /// That in slice `k`, whose image this is.
    pub fn slice(&self, k: usize, image: &Array2<f32>) -> Array2<bool> {
        match self {
            Self::Above(threshold) => with_rim(image, *threshold),
            Self::At(metal) => metal.index_axis(Axis(0), k).to_owned(),
        }
    }
}

/// Part of the threshold that the rim of metal has at least, where a voxel holds some of both or the scale ends.
const RIM: f32 = 2.0 / 3.0;
/// How many voxels a rim is wide.
const RIM_WIDTH: usize = 2;

/// Values from the threshold on, and the rim beside them that is plainly no tissue.
fn with_rim(image: &Array2<f32>, threshold: f32) -> Array2<bool> {
    let mut metal = image.mapv(|value| value >= threshold);
    let (rows, cols) = image.dim();
    for _ in 0..RIM_WIDTH {
        let before = metal.clone();
        let beside = |i: usize, j: usize| {
            let (top, left) = (i.saturating_sub(1), j.saturating_sub(1));
            (top..(i + 2).min(rows)).any(|i| (left..(j + 2).min(cols)).any(|j| before[[i, j]]))
        };
        for ((i, j), flag) in metal.indexed_iter_mut() {
            *flag = *flag || (image[[i, j]] >= RIM * threshold && threshold > 0.0 && beside(i, j));
        }
    }
    metal
}

impl ImageMar {
    /// Opens the images of a case, with what the user should know.
    ///
    /// # Errors
    /// When they cannot be read, or there is no metal in them.
    pub fn open(
        input: &ImageInput,
        spec: &MarSpec,
        correction: Correction,
        seed: CaseSeed,
    ) -> Result<(Self, Remarks)> {
        let (mut images, mut remarks) = Images::open(&input.path, input.slices, input.selection())?;
        let spacing = images.square_spacing(input.spacing, &input.path)?;
        let body = Body::checked(images, input.unit, &input.path, &mut remarks)?;
        let (shape, unit) = (body.images().shape(), body.unit());
        let metal = Metal::new(spec, shape)?;
        let voxels = count(&metal, body.images())?;
        if voxels == 0 {
            let (path, hint) = (input.path.display(), "lower --metal-threshold or give --metal-mask");
            return Err(Refused::Input(format!("{path}: there is no metal in it; {hint}")).into());
        }
        remarks.note(format!("simulating {} views from the image, {voxels} voxels of metal", spec.views));
        let all: usize = shape.iter().product();
        if voxels * 2 > all {
            remarks.warn(format!("{voxels} of {all} voxels are metal; is the mask inverted?"));
        }
        let radon = body.scanner(spec.views, spec.detectors, spacing, spec.filter)?;
        let truth = Truth::new(input.reference.as_deref(), false, unit, shape, input.slices)?;
        let study =
            Self { truth, noise_std: spec.noise_std, ..Self::of(body, metal, radon, correction, seed) };
        Ok((study, remarks))
    }

    /// Images that are open, with metal in them, seen by a scanner.
    pub fn of(body: Body, metal: Metal, radon: Radon, correction: Correction, seed: CaseSeed) -> Self {
        let frame = super::ct::frame(&body);
        Self { body, metal, radon, correction, noise_std: None, seed, truth: Truth::Unknown, frame }
    }

    /// The same with the images themselves for the truth.
    #[must_use]
    pub fn with_truth(self) -> Self {
        Self { truth: Truth::Measured, ..self }
    }
}

/// Voxels of metal.
fn count(metal: &Metal, images: &Images) -> Result<usize> {
    let of = |k| Ok(metal.slice(k, &images.slice(k)?).iter().filter(|&&is_metal| is_metal).count());
    (0..images.shape()[0]).map(of).sum()
}

impl Study for ImageMar {
    type Transform = Radon;

    fn frame(&self) -> &Frame {
        &self.frame
    }

    fn seed(&self, k: usize) -> SliceSeed {
        self.seed.slice(self.body.images().position_um(k))
    }

    fn slice(&self, k: usize) -> Result<Slice<Radon>> {
        let image = self.body.images().slice(k)?;
        let metal = self.metal.slice(k, &image);
        let attenuation = self.body.attenuation(k)?;
        let problem = match self.correction {
            Correction::None => super::ct::measure(&attenuation, &self.radon)?,
            Correction::Margin(_) if !metal.iter().any(|&is_metal| is_metal) => {
                return Ok(Slice::Known(image));
            }
            Correction::Margin(margin) => measure(&attenuation, &metal, &self.radon, margin)?,
        };
        Ok(Slice::Measured(told(problem, self.noise_std)))
    }

    /// The image with the metal put back.
    fn image(&self, k: usize, image: Array2<f32>) -> Result<Array2<f32>> {
        let before = self.body.images().slice(k)?;
        let metal = self.metal.slice(k, &before);
        Ok(restored(self.frame.values.image(image), &before, &metal))
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
        super::ct::window(self.frame.values)
    }
}

/// Where `implants` come to lie in the `tissue` (row, col) of a slice; what is drawn depends on the seed of the slice alone.
///
/// `spacing` is the side of a pixel in mm.
pub fn implanted(tissue: &Array2<bool>, implants: &Implants, spacing: f64, seed: SliceSeed) -> Array2<bool> {
    implants.place(tissue, spacing, &mut seed.implants())
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

/// The problem of a slice without any correction: its metal turned into titanium, seen by all rays, which are all trusted.
/// The noise depends on the seed of the slice alone.
///
/// # Errors
/// When the image is not one of the scanner.
pub fn uncorrected(
    attenuation: &Array2<f32>,
    metal: &Array2<bool>,
    radon: &Radon,
    seed: SliceSeed,
) -> Result<Problem<Radon>> {
    let measured = scan_titanium(attenuation, metal, radon, &mut seed.measurement());
    Ok(Problem::new(radon.clone(), Mask::full(measured.len()), measured)?)
}

/// An image with the metal put back: where `metal`, the values `before`.
pub fn restored(mut image: Array2<f32>, before: &Array2<f32>, metal: &Array2<bool>) -> Array2<f32> {
    Zip::from(&mut image).and(before).and(metal).for_each(|value, &before, &is_metal| {
        if is_metal {
            *value = before;
        }
    });
    image
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Direct, LinearInterpolation, Reconstruct, Silent};
    use recon_data::{Geometry, Source, Unit, Volume};
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
        let problem = measure(&scanned, &metal, &radon, 1).expect("fits");
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
        let problem = measure(&body, &metal, &radon, 1).expect("fits");
        assert_eq!(problem.mask.select(scanned), problem.measured);
    }

    #[test]
    fn implants_are_drawn_a_slice_by_its_seed() {
        let tissue = Array2::from_elem((40, 40), true);
        let implants = Implants { pieces: 2, semi_axes: (1.0, 3.0) };
        let draw = |seed, slice| implanted(&tissue, &implants, 1.0, SliceSeed { seed, case: 0, slice });
        assert_eq!(draw(0, 0), draw(0, 0));
        assert_ne!(draw(0, 0), draw(1, 0));
        assert_ne!(draw(0, 0), draw(0, 1000));
    }

    #[test]
    fn metal_comes_back_where_it_was_and_slices_without_it_stay() {
        let mut voxels = Array3::from_elem((2, 16, 16), 0.02);
        voxels[[0, 7, 8]] = 9.0;
        let volume =
            Volume { voxels: voxels.clone(), geometry: Geometry::default(), unit: Unit::Attenuation };
        let body = Body::new(Images::held(volume, Source::Npy), None);
        let radon = Radon::new(ParallelBeam::equally_spaced(16, 16, 1.0, 12), Filter::Ramp).expect("valid");
        let seed = CaseSeed { seed: 0, case: 0 };
        let study = ImageMar::of(body, Metal::Above(1.0), radon, Correction::Margin(1), seed);
        let back = study.image(0, Array2::zeros((16, 16))).expect("held");
        assert_eq!((back[[7, 8]], back.sum()), (9.0, 9.0));
        assert!(matches!(study.slice(0), Ok(Slice::Measured(problem)) if !problem.mask.is_full()));
        let Ok(Slice::Known(image)) = study.slice(1) else { panic!("nothing to correct") };
        assert_eq!(image, voxels.index_axis(Axis(0), 1));
    }
}
