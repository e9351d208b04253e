//! A conditional prior, as a method that reconstructs.

use super::Trial;
use crate::models::{ConditionalPrior, Family, Prior, ValueMapping};
use crate::score::measure::{UnitRule, bridge};
use crate::score::{CartesianRungs, Climb, ParallelFamily, ParallelRungs, Rungs};
use anyhow::{Result, bail};
use candle_core::Device;
use recon_data::Unit;
use recon_operators::solvers::TvSettings;
use recon_operators::{Field, Problem, Radon};
use recon_pipelines::{Acquisition, Estimate, Known, Progress, Quiet, Reconstruct, SliceSeed, Task};
use std::sync::Arc;

/// Climbs the ladder of a measurement of the prior's family, and leaves all others to another method.
pub struct Conditioned<T: Acquisition> {
    /// The prior.
    pub prior: Arc<ConditionalPrior>,
    /// The climb.
    pub climb: Climb,
    /// How results are tried, by a prior of images alone.
    pub trial: Option<(Trial, Arc<Prior>)>,
    /// The method of measurements that are not of the family.
    pub fallback: Box<dyn Reconstruct<T>>,
    /// The name of that method.
    pub fallback_name: &'static str,
    /// What the values of images are.
    pub unit: Unit,
    /// Where the prior lives.
    pub device: Device,
}

/// The rungs of a measurement, and what is 1 in model units.
type Found<'a> = (Box<dyn Rungs + 'a>, f32);

impl<T: Acquisition> Conditioned<T> {
    /// The rungs of a measurement, or why it is not of the family.
    fn rungs<'a>(
        &'a self,
        problem: &'a Problem<T>,
        seed: SliceSeed,
        progress: &dyn Progress,
    ) -> Result<std::result::Result<Found<'a>, String>> {
        match (self.prior.family(), T::known(problem)) {
            (Family::CartesianLines(family), Some(Known::Fourier(problem))) => {
                let lines = match family.lines(problem) {
                    Ok(lines) => lines,
                    Err(why) => return Ok(Err(why)),
                };
                let Some(ValueMapping::Percentile { percentile }) = self.prior.manifest().value else {
                    bail!(
                        "{}: MR images have no unit; correct [value] in the model card",
                        self.prior.manifest().name
                    )
                };
                let unit = UnitRule::Percentile { percentile, factor: 1.0 };
                let rungs = CartesianRungs::new(family, (problem, &lines), unit, &self.climb, &self.device)?;
                let unit = rungs.unit();
                Ok(Ok((Box::new(rungs), unit)))
            }
            (Family::CartesianLines(_), _) => {
                Ok(Err("the prior knows k-space of a single coil only".to_owned()))
            }
            (Family::ParallelViews(family), Some(Known::Radon(problem))) => {
                if self.unit == Unit::Arbitrary {
                    return Ok(Err(
                        "the images have no unit, and the prior knows Hounsfield units only (give --unit)"
                            .to_owned(),
                    ));
                }
                match family.count(problem) {
                    Ok(_) => Ok(Ok(self.parallel(family, problem, seed, progress)?)),
                    Err(why) => Ok(Err(why)),
                }
            }
            (Family::ParallelViews(_), _) => Ok(Err("the prior knows parallel views only".to_owned())),
        }
    }

    /// The rungs of parallel views, from the image that the method `score` starts from too.
    fn parallel<'a>(
        &self,
        family: &'a ParallelFamily,
        problem: &'a Problem<Radon>,
        seed: SliceSeed,
        progress: &dyn Progress,
    ) -> Result<Found<'a>> {
        let card = self.prior.manifest();
        let Some(ValueMapping::Hounsfield { unit_attenuation, .. }) = card.value else {
            bail!("{}: CT images are in Hounsfield units; correct [value] in the model card", card.name)
        };
        let settings = TvSettings {
            weight: family.start.weight as f32,
            iterations: family.start.iterations,
            nonnegative: true,
        };
        let method = Radon::start(Task::Ct, settings);
        let start = method.reconstruct(problem, seed, &Quiet(progress))?.image;
        let unit = unit_attenuation as f32;
        let rungs = ParallelRungs::new(family, problem, start, unit, &self.device)?;
        Ok((Box::new(rungs), unit))
    }
}

impl<T: Acquisition> Reconstruct<T> for Conditioned<T> {
    fn reconstruct(
        &self,
        problem: &Problem<T>,
        seed: SliceSeed,
        progress: &dyn Progress,
    ) -> Result<Estimate<T::Image>> {
        let (rungs, unit) = match self.rungs(problem, seed, progress)? {
            Ok(found) => found,
            Err(why) => {
                let remark = format!("{why}; reconstructed with --method {} instead", self.fallback_name);
                let found = self.fallback.reconstruct(problem, seed, progress)?;
                return Ok(Estimate { remark: Some(remark), ..found });
            }
        };
        let x = self.climb.run(&*self.prior, &*rungs, progress)?;
        let mut image: T::Image = bridge::to_pictures(&x)?.swap_remove(0);
        let mut calls = self.climb.steps * self.climb.flips.calls();
        let mut typicality = None;
        if let Some((trial, prior)) = &self.trial {
            typicality = Some(trial.of(&**prior, &image, seed, &self.device)?);
            calls += 1;
        }
        image.scale(unit);
        Ok(Estimate { typicality, ..Estimate::plain(image, calls) })
    }
}
