//! What a search maximises: the mean PSNR over the slices of a protocol, as `recon eval` measures it.

use super::TuneArgs;
use super::trial::rounded;
use crate::commands::eval::images;
use crate::commands::eval::measure::{self, Modality, Single, Tried};
use crate::commands::session::context::Context;
use crate::commands::session::failure::{self, Failure};
use anyhow::Result;
use recon_data::digest;
use std::collections::BTreeMap;

/// One slice of a scan.
struct Slice {
    /// Name of the scan's file or folder.
    file: String,
    /// The slice itself.
    single: Single,
}

/// The slices and the ways in which they are measured.
pub(super) struct Objective<'a, M: Modality> {
    slices: Vec<Slice>,
    settings: &'static [M::Setting],
    seed: u64,
    context: &'a Context,
}

/// Why a trial ends before its last slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Halt {
    /// It will not be the best.
    Hopeless,
    /// There is no time left.
    Late,
}

/// How a method went over the slices.
pub(super) struct Course {
    /// PSNR of those that ran, dB.
    pub(super) slices: Vec<f64>,
    /// What ended it.
    pub(super) end: End,
}

/// What ended a trial.
pub(super) enum End {
    /// The last slice.
    Last,
    /// The caller.
    Halted(Halt),
    /// A slice that could not be reconstructed.
    Failed(anyhow::Error),
}

impl<'a, M: Modality> Objective<'a, M> {
    /// Reads the slices of the data folder, `wanted` a scan.
    ///
    /// # Errors
    /// When a scan cannot be read or is another kind of image, or there is none.
    pub(super) fn load(
        args: &TuneArgs,
        settings: &'static [M::Setting],
        wanted: usize,
        context: &'a Context,
    ) -> Result<Self> {
        let mut slices = Vec::new();
        for image in images::find(&args.data, wanted, Some(args.limit))? {
            for single in measure::singles::<M>(&image, wanted, context)? {
                slices.push(Slice { file: image.name.clone(), single });
            }
        }
        if slices.is_empty() {
            let message = "has no slices to tune on; give a folder with images";
            return Err(Failure::Input(format!("{}: {message}", args.data.display())).into());
        }
        Ok(Self { slices, settings, seed: args.seed, context })
    }

    /// How many measured slices there are.
    pub(super) fn count(&self) -> usize {
        self.slices.len() * self.settings.len()
    }

    /// Scan and number of every slice.
    pub(super) fn names(&self) -> Vec<(String, usize)> {
        self.slices.iter().map(|slice| (slice.file.clone(), slice.single.number)).collect()
    }

    /// SHA-256 of every scan by its name.
    ///
    /// # Errors
    /// When one cannot be read.
    pub(super) fn digests(&self) -> Result<BTreeMap<String, String>> {
        let mut digests = BTreeMap::new();
        for slice in &self.slices {
            if !digests.contains_key(&slice.file) {
                digests.insert(slice.file.clone(), digest::sha256_file(&slice.single.path)?);
            }
        }
        Ok(digests)
    }

    /// Measures every slice in every way and reconstructs it by this kind of method, until `watch`, asked after each,
    /// says to stop.
    ///
    /// # Errors
    /// When the user stopped it or the device is not there.
    pub(super) fn measure(
        &self,
        tried: &Tried<'_, M::Transform>,
        watch: impl Fn(&[f64]) -> Option<Halt>,
    ) -> Result<Course> {
        let mut slices = Vec::with_capacity(self.count());
        let cases = self.slices.iter().flat_map(|slice| self.settings.iter().map(move |way| (slice, way)));
        for (slice, way) in cases {
            match self.psnr(slice, way, tried) {
                Ok(psnr) => slices.push(psnr),
                Err(error) if failure::is_fatal(&error) => return Err(error),
                Err(error) => return Ok(Course { slices, end: End::Failed(error) }),
            }
            if let Some(halt) = watch(&slices).filter(|_| slices.len() < self.count()) {
                return Ok(Course { slices, end: End::Halted(halt) });
            }
        }
        Ok(Course { slices, end: End::Last })
    }

    fn psnr(&self, slice: &Slice, way: &M::Setting, tried: &Tried<'_, M::Transform>) -> Result<f64> {
        if let Some(interruption) = self.context.interruption() {
            return Err(interruption.into());
        }
        let outcome = M::solve(&slice.single, way, tried, self.seed, self.context)?;
        Ok(rounded(outcome.ok_or_else(|| self.context.stopped())?.quality.psnr))
    }
}
