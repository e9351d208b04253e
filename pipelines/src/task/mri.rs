//! MRI from few samples: of an image, with the measurement simulated, or from measured k-space.

use super::ct::array_position_um;
use super::study::told;
use super::{
    CaseSeed, Frame, ImageInput, Images, KspaceInput, MaskChoice, MriSpec, Remarks, SamplingSpec, Slice,
    Study, Truth, Values, arrays, check, phase,
};
use crate::{Refused, SliceSeed};
use anyhow::Result;
use ndarray::{Array2, Array3, Axis};
use num_complex::Complex32;
use recon_data::{Geometry, Source, Unit};
use recon_operators::{Fourier, LinearOperator, Mask, PhasedFourier, Problem};

/// The k-space of one image, `y = Λ F x`, with a real `x` (no phase).
///
/// # Errors
/// When the mask is not one of such images.
pub fn measure(image: &Array2<f32>, mask: &Mask) -> Result<Problem<PhasedFourier>> {
    let transform = PhasedFourier::new(image.nrows(), image.ncols(), None);
    let data = transform.forward(image);
    let problem = Problem::new(transform, mask.clone(), data)?;
    Ok(Problem { measured: mask.select(problem.measured), ..problem })
}

impl SamplingSpec {
    /// The mask for images of `rows` × `cols`.
    ///
    /// # Errors
    /// When the numbers contradict each other or a mask file has another shape.
    pub fn mask(&self, rows: usize, cols: usize, seed: u64) -> Result<Mask> {
        match (&self.mask, self.plan(seed)) {
            (MaskChoice::File(path), _) => arrays::mask(path, rows, cols, Some(self.phase_axis)),
            (MaskChoice::Rule(_), Some(plan)) => {
                let mask = plan.mask(rows, cols)?;
                if mask.count() == 0 {
                    let message = format!(
                        "--accel {}: keeps none of {rows} x {cols} samples; give a smaller one, or lines along the other \
                         --phase-axis",
                        self.accel
                    );
                    return Err(Refused::Usage(message).into());
                }
                Ok(mask)
            }
            (MaskChoice::Rule(_), None) => unreachable!("a rule has a plan"),
        }
    }

    /// A mask in words.
    pub fn describe(&self, mask: &Mask) -> String {
        let (kept, all) = (mask.count(), mask.kept().len());
        let factor = all as f64 / kept.max(1) as f64;
        format!("{kept} of {all} k-space samples ({}, {factor:.2}x)", self.mask)
    }
}

/// MRI whose k-space is simulated from real images.
pub struct ImageMri {
    images: Images,
    mask: Mask,
    noise_std: Option<f64>,
    seed: CaseSeed,
    truth: Truth,
    frame: Frame,
}

impl ImageMri {
    /// Opens the images of a case, with what the user should know.
    ///
    /// # Errors
    /// When they cannot be read, or the mask does not fit them.
    pub fn open(input: &ImageInput, spec: &MriSpec, seed: CaseSeed) -> Result<(Self, Remarks)> {
        let (images, mut remarks) = Images::open(&input.path, input.slices, input.selection())?;
        let [_, rows, cols] = images.shape();
        let Some(sampling) = &spec.sampling else {
            return Err(Refused::Usage("an image has no k-space; say how it is sampled".to_owned()).into());
        };
        let mask = sampling.mask(rows, cols, seed.seed)?;
        let described = sampling.describe(&mask);
        remarks.note(format!("simulating {described} from the image; for measured data use --kspace"));
        remarks.warnings.extend(check::image::mr(&images));
        let truth =
            Truth::new(input.reference.as_deref(), true, images.unit(), images.shape(), input.slices)?;
        Ok((Self { truth, noise_std: spec.noise_std, ..Self::of(images, mask, seed) }, remarks))
    }

    /// Images that are open, of whose k-space `mask` is measured.
    pub fn of(images: Images, mask: Mask, seed: CaseSeed) -> Self {
        let frame = Frame {
            shape: images.shape(),
            geometry: images.geometry().clone(),
            values: Values::As(images.unit()),
            source: images.source().clone(),
            keep_axis: images.keep_axis(),
        };
        Self { images, mask, noise_std: None, seed, truth: Truth::Measured, frame }
    }
}

impl Study for ImageMri {
    type Transform = PhasedFourier;

    fn masks(&self) -> &[Mask] {
        std::slice::from_ref(&self.mask)
    }

    fn frame(&self) -> &Frame {
        &self.frame
    }

    fn seed(&self, k: usize) -> SliceSeed {
        self.seed.slice(self.images.position_um(k))
    }

    fn slice(&self, k: usize) -> Result<Slice<PhasedFourier>> {
        let problem = measure(&self.images.slice(k)?, &self.mask)?;
        Ok(Slice::Measured(told(problem, self.noise_std)))
    }

    fn image(&self, _k: usize, image: Array2<f32>) -> Result<Array2<f32>> {
        Ok(image)
    }

    fn difference(&self, difference: Array2<f32>) -> Array2<f32> {
        difference
    }

    fn truth(&self, k: usize) -> Result<Option<Array2<f32>>> {
        self.truth.slice(k, Some(&self.images))
    }

    fn knows_truth(&self) -> bool {
        self.truth.is_known()
    }
}

/// MRI from measured single-channel k-space (slice, row, col), centred and orthonormal.
///
/// The image's phase is estimated from the sampled centre of each slice, so that the unknown is real.
pub struct KspaceMri {
    kspace: Array3<Complex32>,
    /// One for all slices, or one for each.
    masks: Vec<Mask>,
    noise_std: Option<f64>,
    seed: CaseSeed,
    truth: Truth,
    frame: Frame,
}

impl KspaceMri {
    /// Opens the k-space of a case, with what the user should know.
    ///
    /// # Errors
    /// When a file cannot be read, has another shape than the others or holds nothing.
    pub fn open(input: &KspaceInput, spec: &MriSpec, seed: CaseSeed) -> Result<(Self, Remarks)> {
        let kspace = arrays::complex_stack(&input.path, input.slices)?;
        let (slices, rows, cols) = kspace.dim();
        let mut remarks = Remarks::default();
        let masks = masks_of(&kspace, input, &mut remarks)?;
        let kept: usize = masks.iter().map(Mask::count).sum();
        remarks.note(format!("{} of {} samples measured", kept / masks.len(), rows * cols));
        let frame = Frame {
            shape: [slices, rows, cols],
            geometry: Geometry::default(),
            values: Values::As(Unit::Arbitrary),
            source: Source::Npy,
            keep_axis: super::has_slice_axis(&input.path),
        };
        let truth =
            Truth::new(input.reference.as_deref(), false, Unit::Arbitrary, frame.shape, input.slices)?;
        let study = Self { kspace, masks, noise_std: spec.noise_std, seed, truth, frame };
        let misfits = (0..slices).filter(|&k| study.has_fast_phase(k)).count();
        if misfits > 0 {
            remarks.note(format!(
                "in {misfits} of {slices} slices the phase changes faster than the sampled centre shows (air, fat, inversion); \
                 it is estimated from all samples there"
            ));
        }
        Ok((study, remarks))
    }

    fn mask(&self, k: usize) -> &Mask {
        &self.masks[k.min(self.masks.len() - 1)]
    }

    /// What was measured of slice `k`.
    fn measured(&self, k: usize) -> Array2<Complex32> {
        self.mask(k).select(self.kspace.index_axis(Axis(0), k).to_owned())
    }

    /// Whether the phase of slice `k` is not that of its sampled centre.
    fn has_fast_phase(&self, k: usize) -> bool {
        phase::is_fast(&self.measured(k), self.mask(k))
    }
}

impl Study for KspaceMri {
    type Transform = PhasedFourier;

    fn masks(&self) -> &[Mask] {
        &self.masks
    }

    fn frame(&self) -> &Frame {
        &self.frame
    }

    fn seed(&self, k: usize) -> SliceSeed {
        self.seed.slice(array_position_um(k))
    }

    fn slice(&self, k: usize) -> Result<Slice<PhasedFourier>> {
        let (mask, measured) = (self.mask(k), self.measured(k));
        let phase = phase::of(&measured, mask)?;
        let (rows, cols) = measured.dim();
        let transform = PhasedFourier::new(rows, cols, Some(phase));
        let problem = Problem::new(transform, mask.clone(), measured)?;
        Ok(Slice::Measured(told(problem, self.noise_std)))
    }

    fn image(&self, _k: usize, image: Array2<f32>) -> Result<Array2<f32>> {
        Ok(image)
    }

    fn difference(&self, difference: Array2<f32>) -> Array2<f32> {
        difference
    }

    fn truth(&self, k: usize) -> Result<Option<Array2<f32>>> {
        self.truth.slice(k, None)
    }

    fn knows_truth(&self) -> bool {
        self.truth.is_known()
    }
}

/// The masks of k-space: what a file says, else what is not zero.
fn masks_of(kspace: &Array3<Complex32>, input: &KspaceInput, remarks: &mut Remarks) -> Result<Vec<Mask>> {
    let nonzero = sampled(kspace);
    let path = input.path.display();
    if nonzero.count() == 0 {
        return Err(Refused::Input(format!("{path}: every sample is zero; check the file")).into());
    }
    let masks = match &input.mask {
        Some(file) => arrays::masks(file, kspace.dim(), (input.slices, input.phase_axis))?,
        None => match check::kspace::sampled_each(kspace, &nonzero) {
            None => vec![nonzero.clone()],
            Some(each) => {
                remarks.note("slices were sampled differently; each has a mask of its own");
                each
            }
        },
    };
    let holds_data = |mask: &Mask| mask.kept().iter().zip(nonzero.kept()).any(|(&kept, &data)| kept && data);
    if let (Some(file), false) = (&input.mask, masks.iter().any(holds_data)) {
        let message = format!(
            "{}: every sample that it keeps is zero in {path}; give 1 for what was measured (is it inverted?)",
            file.display()
        );
        return Err(Refused::Input(message).into());
    }
    let told = input.mask.is_some() && masks.len() == 1;
    remarks.warnings.extend(check::kspace::warnings(kspace, masks.first().unwrap_or(&nonzero), told));
    Ok(masks)
}

/// Which samples of k-space are not zero in some slice: what was measured, when nobody says.
pub fn sampled(kspace: &Array3<Complex32>) -> Mask {
    let (_, rows, cols) = kspace.dim();
    let mut kept = vec![false; rows * cols];
    for slice in kspace.outer_iter() {
        for (kept, value) in kept.iter_mut().zip(slice.iter()) {
            *kept |= value.norm_sqr() > 0.0;
        }
    }
    Mask::new(kept)
}

/// Undersampled k-space (slice, row, col) of complex images, zeros where the mask keeps nothing.
pub fn simulate(images: &Array3<Complex32>, mask: &Mask) -> Array3<Complex32> {
    let (_, rows, cols) = images.dim();
    let fourier = Fourier::new(rows, cols);
    let mut kspace = Array3::zeros(images.raw_dim());
    for (image, mut slice) in images.outer_iter().zip(kspace.outer_iter_mut()) {
        slice.assign(&mask.select(fourier.forward(&image.to_owned())));
    }
    kspace
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measured_and_simulated_cases_are_the_same_problem() {
        // Irregular, so that no sample of its k-space is zero by symmetry.
        let image = Array2::from_shape_fn((8, 6), |(i, j)| {
            (1.7 * i as f32 + 0.9 * (j * j) as f32).sin() + 0.1 * (i * j) as f32
        });
        let mask = Mask::columns(8, &[true, false, true, true, false, true]);
        let complex = image.mapv(|v| Complex32::new(v, 0.0)).insert_axis(Axis(0));
        let kspace = simulate(&complex, &mask);
        let problem = measure(&image, &mask).expect("fits");
        let distance = (&kspace.index_axis(Axis(0), 0) - &problem.measured).mapv(Complex32::norm).sum();
        assert!(distance < 1e-4, "{distance}");
        assert_eq!(sampled(&kspace).count(), mask.count());
    }

    #[test]
    fn a_mask_of_another_shape_is_refused() {
        assert!(measure(&Array2::zeros((4, 4)), &Mask::full(12)).is_err());
    }
}
