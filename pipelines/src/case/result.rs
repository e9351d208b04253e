//! The files of a result, put together slice by slice.

use super::Target;
use super::kept::Kept;
use crate::judge::{Baseline, CalibrationSums, Comparison, QualitySums};
use crate::report::ModelRecord;
use crate::report::preview::{Panels, Window, montage, png, upright};
use crate::{Map, Spread, Study};
use anyhow::Result;
use ndarray::Array2;
use recon_data::{DataError, Derivation, Format, ImageStack, Source, atomic};
use std::path::Path;

/// The slices of a study that are finished.
pub(super) struct Finished<'a, S> {
    pub(super) study: &'a S,
    pub(super) kept: &'a Kept,
    /// How many, from the first.
    pub(super) slices: usize,
    /// What the method knows of the spread of the posterior.
    pub(super) spread: Spread,
    /// What the files take over.
    pub(super) source: Source,
}

/// What is written into files about how they were made.
pub(super) struct Provenance<'a> {
    pub(super) method: &'static str,
    pub(super) model: Option<&'a ModelRecord>,
    pub(super) version: &'a str,
    pub(super) derivation: Derivation,
    /// What names the run beside its input.
    pub(super) run: String,
    pub(super) seed: u64,
}

/// Smaller than the window of SSIM there is nothing to compare by.
pub(super) const SMALLEST: usize = 7;

impl<S: Study> Finished<'_, S> {
    /// Writes image, maps and picture; how good the result is.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub(super) fn write(&self, target: &Target, about: &Provenance<'_>) -> Result<Option<Comparison>> {
        let provenance = about.of();
        self.write_volume(&target.image, target, &provenance, &|k| self.kept.image(k))?;
        for (map, path) in &target.maps {
            let provenance = of_map(&provenance, *map);
            self.write_volume(path, target, &provenance, &|k| self.kept.map(k, *map))?;
        }
        if let Some(path) = &target.preview {
            atomic::write_bytes(path, &self.picture()?, target.overwrite())?;
        }
        self.compare()
    }

    fn write_volume(
        &self,
        path: &Path,
        target: &Target,
        provenance: &recon_data::Provenance,
        slice: &dyn Fn(usize) -> Result<Array2<f32>, DataError>,
    ) -> Result<()> {
        let frame = self.study.frame();
        let [_, rows, cols] = frame.shape;
        let shape = [self.slices, rows, cols];
        let stack = ImageStack { shape, geometry: &frame.geometry, unit: frame.values.unit(), slice };
        if Format::of_path(path) == Some(Format::Npy) && self.slices == 1 && !frame.keep_axis {
            recon_data::write_single(path, &stack, target.overwrite())?;
        } else {
            recon_data::write_stack(path, &stack, &self.source, provenance, target.overwrite())?;
        }
        Ok(())
    }

    /// Truth, strongest baseline, result and error of the middle slice.
    fn picture(&self) -> Result<Vec<u8>> {
        let k = self.slices / 2;
        let (truth, result) = (self.study.truth(k)?, self.kept.image(k)?);
        let baseline = self.kept.baselines().last().map(|name| self.kept.baseline(k, name)).transpose()?;
        let shown = truth.as_ref().unwrap_or(&result).view();
        let window = self.study.window().unwrap_or_else(|| Window::percentiles(&shown));
        let geometry = &self.study.frame().geometry;
        let hung = |image: &'_ Array2<f32>| upright(&image.view(), geometry).to_owned();
        let (truth, baseline, result) =
            (truth.as_ref().map(hung), baseline.as_ref().map(hung), hung(&result));
        let panels = Panels {
            truth: truth.as_ref().map(|image| image.view()),
            baseline: baseline.as_ref().map(|image| image.view()),
            result: result.view(),
        };
        png(&montage(&panels, window))
    }

    /// The quality against the truth, where that is known.
    fn compare(&self) -> Result<Option<Comparison>> {
        let frame = self.study.frame();
        let [_, rows, cols] = frame.shape;
        let Some(largest) = self.kept.largest_truth(self.slices)? else { return Ok(None) };
        if rows < SMALLEST || cols < SMALLEST {
            return Ok(None);
        }
        let sums = || QualitySums::new(largest, frame.values.unit());
        let mut result = sums();
        let mut baselines: Vec<_> = self.kept.baselines().iter().map(|name| (*name, sums())).collect();
        let mut spread = CalibrationSums::of(self.spread)?;
        for k in 0..self.slices {
            let Some(truth) = self.study.truth(k)? else { return Ok(None) };
            let image = self.kept.image(k)?;
            result.add(&truth, &image)?;
            for (name, sums) in &mut baselines {
                sums.add(&truth, &self.kept.baseline(k, name)?)?;
            }
            if let Some(sums) = &mut spread {
                sums.add(&truth, &image, &self.kept.map(k, Map::Std)?)?;
            }
        }
        let baseline = |(name, sums): &(&str, QualitySums)| Baseline {
            name: (*name).to_owned(),
            quality: sums.finish(),
        };
        Ok(Some(Comparison {
            preset: "fastmri".to_owned(),
            result: result.finish(),
            baselines: baselines.iter().map(baseline).collect(),
            calibration: spread.and_then(|sums| sums.finish()),
        }))
    }
}

impl Provenance<'_> {
    fn of(&self) -> recon_data::Provenance {
        let Self { method, version, derivation, seed, .. } = *self;
        let model = self.model.map(|model| format!(" with model {}", model.name)).unwrap_or_default();
        recon_data::Provenance {
            description: format!("Reconstructed by recon {version} {method}{model}; not for diagnosis"),
            series_description: format!("recon {method}"),
            comments: format!("recon {method}{model}, seed {seed}"),
            version: version.to_owned(),
            run: self.run.clone(),
            derivation,
            seed,
        }
    }
}

/// The same for a map, which nobody must take for the image.
fn of_map(image: &recon_data::Provenance, map: Map) -> recon_data::Provenance {
    let name = match map {
        Map::Std => "standard deviation",
        Map::Low => "5 % quantile",
        Map::High => "95 % quantile",
        Map::NullSpace => "unseen part",
    };
    recon_data::Provenance {
        description: format!("{name}: {}", image.description),
        series_description: format!("{} {name}", image.series_description),
        comments: format!("Map of the {name}. {}", image.comments),
        ..image.clone()
    }
}
