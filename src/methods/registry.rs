//! From descriptions of methods to methods: networks are opened once and shared.

use super::card::{
    check, check_modality, entries, modality, modality_name, modality_of_unit, record, unit_rule,
};
use super::{Conditioned, Denoised, Sampled, Trial};
use crate::device::DeviceChoice;
use crate::knobs::Info;
use crate::models::{ConditionalPrior, ModelSource, Prior, open, open_conditional, read_card};
use crate::score::Autograd;
use crate::settings::{
    BayesSpec, ConditionalSpec, Layers, Learned, MethodSpec, SamplerSpec, TvSpec, builtin,
};
use anyhow::Result;
use candle_core::Device;
use recon_data::{Derivation, Unit};
use recon_pipelines::report::ModelRecord;
use recon_pipelines::{Acquisition, Method, Methods, Pace, Reconstruct, Refused, Spread, Task};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Makes methods, on one device.
pub struct Registry {
    choice: DeviceChoice,
    device: OnceLock<(Device, String)>,
    priors: Mutex<BTreeMap<String, Arc<Prior>>>,
    conditional: Mutex<BTreeMap<String, Arc<ConditionalPrior>>>,
}

impl Registry {
    /// Methods whose networks run on the device of this choice, which is opened when the first of them is made.
    pub fn new(device: DeviceChoice) -> Self {
        Self {
            choice: device,
            device: OnceLock::new(),
            priors: Mutex::default(),
            conditional: Mutex::default(),
        }
    }

    /// The method of this name with everything that is said about its settings, the card of its model included.
    ///
    /// # Errors
    /// When a setting cannot be, or the card cannot be read.
    pub fn resolve(&self, name: &str, task: Task, layers: &Layers) -> Result<MethodSpec> {
        Ok(layers.resolve(name, task, &entries(name, task, layers, true)?)?)
    }

    /// As [`Registry::resolve`], but settings that the method does not have are left to those that run beside it.
    ///
    /// # Errors
    /// As [`Registry::resolve`].
    pub fn resolve_among(&self, name: &str, task: Task, layers: &Layers) -> Result<MethodSpec> {
        Ok(layers.resolve_among(name, task, &entries(name, task, layers, true)?)?)
    }

    /// As [`Registry::resolve`], but without the settings that were found for the model.
    ///
    /// # Errors
    /// As [`Registry::resolve`].
    pub fn resolve_untuned(&self, name: &str, task: Task, layers: &Layers) -> Result<MethodSpec> {
        Ok(layers.resolve(name, task, &entries(name, task, layers, false)?)?)
    }

    /// What is said, with what the card of the method's model says of these settings where nobody else does.
    ///
    /// # Errors
    /// When the card cannot be read.
    pub fn holding(&self, info: &Info, task: Task, layers: &Layers, keys: &[&str]) -> Result<Layers> {
        Ok(layers.clone().holding(info, &entries(info.name, task, layers, true)?, keys))
    }

    /// The name of the model that ships with the program for a task; that of MR images where the images say what they are.
    pub fn builtin(task: Task) -> &'static str {
        builtin(task)
    }

    fn device(&self) -> Result<&(Device, String)> {
        if let Some(device) = self.device.get() {
            return Ok(device);
        }
        let device = self.choice.open()?;
        Ok(self.device.get_or_init(|| device))
    }

    /// The prior of this name for a task whose results have this unit, opened once.
    fn prior(&self, name: &str, task: Task, unit: Unit) -> Result<Arc<Prior>> {
        let prior = once(&self.priors, name, || Ok(open(&ModelSource::named(name)?, &self.device()?.0)?))?;
        check(name, &prior, modality(task).unwrap_or_else(|| modality_of_unit(unit)))?;
        Ok(prior)
    }

    /// The conditional prior of this name for a task, opened once.
    fn conditional_prior(&self, name: &str, task: Task, unit: Unit) -> Result<Arc<ConditionalPrior>> {
        let prior = once(&self.conditional, name, || {
            Ok(open_conditional(&ModelSource::named(name)?, &self.device()?.0)?)
        })?;
        let wanted = modality(task).unwrap_or_else(|| modality_of_unit(unit));
        check_modality(name, prior.manifest().modality, wanted)?;
        Ok(prior)
    }

    fn conditioned<T: Acquisition>(
        &self,
        spec: &ConditionalSpec,
        task: Task,
        unit: Unit,
    ) -> Result<Method<T>> {
        let prior = self.conditional_prior(&spec.model, task, unit)?;
        // What is typical is asked of the prior that stands in, whether it does or not.
        let fallback = self.learned::<T>(&spec.fallback, task, unit)?;
        let images = self.prior(&spec.fallback.model, task, unit)?;
        let trial = images.manifest().typical.map(|typical| (Trial::of_card(typical), images));
        let run = Conditioned {
            climb: spec.climb,
            trial,
            fallback: fallback.run,
            fallback_name: fallback.name,
            unit,
            device: self.device()?.0.clone(),
            prior: prior.clone(),
        };
        let model = Some(record(prior.manifest()));
        Ok(Method {
            name: ConditionalSpec::INFO.name,
            run: Box::new(run),
            model,
            spread: Spread::Unknown,
            ..fallback
        })
    }

    fn learned<T: Acquisition>(&self, spec: &Learned, task: Task, unit: Unit) -> Result<Method<T>> {
        let (device, device_name) = self.device()?.clone();
        let prior = self.prior(&spec.model, task, unit)?;
        let card = prior.manifest();
        let unit = unit_rule(card, unit)?;
        let (model, typical) = (Some(record(card)), card.typical.map(|typical| typical.error));
        let trial = card.typical.map(Trial::of_card);
        let sampled = |sampler: &SamplerSpec, start: Box<dyn Reconstruct<T> + Send>| Sampled {
            model: Autograd(prior.clone()),
            sampler: sampler.sampler(),
            unit,
            start: Some(start),
            samples: 1,
            estimate: spec.estimate,
            widening: spec.widen,
            trial: None,
            device: device.clone(),
        };
        let start = T::start(task, TvSpec::start(task));
        let start = match &spec.around {
            Some(point) => Box::new(sampled(point, start)),
            None => start,
        };
        let run = Box::new(Sampled { samples: spec.samples, trial, ..sampled(&spec.sampler, start) });
        let name = spec.sampler.info().name;
        let (spread, derivation) = (Spread::of_samples(spec.samples), Derivation::Iterative);
        Ok(Method { name, run, model, device: device_name, spread, derivation, typical })
    }

    fn denoised<T: Acquisition>(&self, spec: &BayesSpec, task: Task, unit: Unit) -> Result<Method<T>> {
        let (device, device_name) = self.device()?.clone();
        let shipped = modality_name(modality_of_unit(unit));
        let name: &str = if spec.model == BayesSpec::AUTO { shipped } else { &spec.model };
        let prior = self.prior(name, task, unit)?;
        let card = prior.manifest();
        let (model, unit, range) = (Some(record(card)), unit_rule(card, unit)?, card.noise_range());
        Ok(Method {
            name: BayesSpec::INFO.name,
            run: Box::new(Denoised { model: prior, range, unit, bayes: spec.bayes, device }),
            model,
            device: device_name,
            spread: Spread::Posterior,
            derivation: Derivation::Other,
            typical: None,
        })
    }
}

impl Methods<MethodSpec> for Registry {
    fn build<T: Acquisition>(&self, method: &MethodSpec, task: Task, unit: Unit) -> Result<Method<T>> {
        match method {
            MethodSpec::Learned(learned) => return self.learned(learned, task, unit),
            MethodSpec::Conditional(conditional) => return self.conditioned(conditional, task, unit),
            MethodSpec::Bayes(bayes) => return self.denoised(bayes, task, unit),
            _ => {}
        }
        let name = method.info().label(task);
        classical(method, task)
            .ok_or_else(|| Refused::Usage(format!("--method {name}: is not a method for {task}")).into())
    }

    fn baselines<T: Acquisition>(&self, method: &MethodSpec, task: Task) -> Vec<Method<T>> {
        method.baselines(task).iter().filter_map(|baseline| classical(baseline, task)).collect()
    }

    fn model(&self, method: &MethodSpec, _task: Task) -> Result<Option<ModelRecord>> {
        let model = match method {
            MethodSpec::Learned(learned) => &learned.model,
            MethodSpec::Conditional(conditional) => &conditional.model,
            MethodSpec::Bayes(bayes) if bayes.model != BayesSpec::AUTO => &bayes.model,
            _ => return Ok(None),
        };
        Ok(Some(record(&read_card(&ModelSource::named(model)?)?)))
    }

    fn spread(&self, method: &MethodSpec) -> Spread {
        match method {
            MethodSpec::Learned(learned) => Spread::of_samples(learned.samples),
            MethodSpec::Bayes(_) => Spread::Posterior,
            _ => Spread::Unknown,
        }
    }

    fn trusts_metal(&self, method: &MethodSpec) -> bool {
        matches!(method, MethodSpec::Fbp)
    }

    fn pace(&self, method: &MethodSpec, task: Task) -> Option<Pace> {
        match method {
            MethodSpec::Learned(learned) => {
                let (passes, most) = learned.sampler.pace(task, learned.samples > 1);
                Some(Pace { runs: learned.samples * passes, most })
            }
            MethodSpec::Conditional(_) => Some(Pace { runs: 1, most: ConditionalSpec::most_steps(task) }),
            _ => None,
        }
    }

    fn with_steps(&self, method: &MethodSpec, steps: usize, trial: bool) -> MethodSpec {
        match method {
            MethodSpec::Learned(learned) => MethodSpec::Learned(Box::new(learned.with_steps(steps, trial))),
            MethodSpec::Conditional(conditional) => {
                MethodSpec::Conditional(Box::new(conditional.with_steps(steps, trial)))
            }
            other => other.clone(),
        }
    }
}

/// The method without a network; none where it has one, or does not serve the acquisition.
fn classical<T: Acquisition>(spec: &MethodSpec, task: Task) -> Option<Method<T>> {
    let classical = spec.classical()?;
    let run = T::classical(&classical, task)?;
    Some(Method::classical(spec.info().label(task), classical.derivation(), run))
}

/// What this name stands for, opened the first time that it is asked for.
fn once<P>(
    opened: &Mutex<BTreeMap<String, Arc<P>>>,
    name: &str,
    open: impl FnOnce() -> Result<P>,
) -> Result<Arc<P>> {
    let mut opened = opened.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(prior) = opened.get(name) {
        return Ok(prior.clone());
    }
    let prior = Arc::new(open()?);
    opened.insert(name.to_owned(), prior.clone());
    Ok(prior)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_of_the_wrong_modality_is_refused_and_a_right_one_opened_once() {
        let registry = Registry::new(DeviceChoice::Cpu);
        let error = registry.prior("mr", Task::Ct, Unit::Hounsfield).err().expect("wrong kind of image");
        assert!(matches!(error.downcast_ref(), Some(Refused::Input(_))));
        let first = registry.prior("mr", Task::Mri, Unit::Arbitrary).expect("built in");
        assert!(Arc::ptr_eq(&first, &registry.prior("mr", Task::Mri, Unit::Arbitrary).expect("built in")));
    }

    #[test]
    fn the_levels_of_predictor_corrector_sampling_are_the_models() {
        let registry = Registry::new(DeviceChoice::Cpu);
        let spec = registry.resolve("pc", Task::Ct, &Layers::default()).expect("built in");
        let table = spec.table().0;
        assert_eq!((table["sigma-min"].as_float(), table["sigma-max"].as_float()), (Some(0.002), Some(6.0)));
    }
}
