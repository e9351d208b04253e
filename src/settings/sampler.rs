//! The learned methods: their samplers' settings, one arm a method.

use crate::knobs::{Info, Knob, SAMPLES, SamplerSettings, SettingError, Table, filled, of};
use crate::score::{
    Annealed, Decomposed, DiffusionPosterior, GuidedLangevin, NoisyGuidance, PredictorCorrector,
    PseudoInverseGuided, RedDiff, Sampler,
};
use recon_pipelines::Task;

/// What is given about the sampler itself.
fn own(given: &Table) -> Table {
    let mut own = given.clone();
    own.remove(SAMPLES);
    own
}

/// The settings that are in use, by name.
fn described<S: SamplerSettings>(settings: &S) -> Table {
    let idle = settings.idle();
    let mut table = of(settings);
    table.retain(|key, _| S::INFO.knobs.iter().any(|knob: &Knob| knob.key == key) && !idle.contains(&key));
    table
}

macro_rules! samplers {
    ($($(#[$doc:meta])* $case:ident($settings:ty)),* $(,)?) => {
        /// A sampler with its settings.
        #[derive(Clone, Debug, PartialEq)]
        pub enum SamplerSpec { $($(#[$doc])* $case($settings)),* }

        impl SamplerSpec {
            /// What there is to know about each.
            pub const INFOS: &'static [&'static Info] = &[$(&<$settings as SamplerSettings>::INFO),*];

            /// The sampler of this name with what is `given` over the program's settings for a task.
            ///
            /// # Errors
            /// When there is none, or its settings cannot be.
            pub(super) fn new(name: &str, task: Task, given: &Table) -> Result<Self, SettingError> {
                $(if name == <$settings as SamplerSettings>::INFO.name {
                    let settings = filled(&<$settings>::defaults(task, given), &own(given))?;
                    SamplerSettings::check(&settings)?;
                    return Ok(Self::$case(settings));
                })*
                Err(SettingError::new("name", format!("there is no method {name}")))
            }

            /// What there is to know about it.
            pub fn info(&self) -> &'static Info {
                match self { $(Self::$case(_) => &<$settings as SamplerSettings>::INFO),* }
            }

            /// What draws.
            pub fn sampler(&self) -> Box<dyn Sampler> {
                match self { $(Self::$case(settings) => Box::new(settings.clone())),* }
            }

            /// The same with so many noise levels; with one pass if it is a `trial`.
            #[must_use]
            pub fn with_steps(&self, steps: usize, trial: bool) -> Self {
                match self { $(Self::$case(settings) => Self::$case(settings.with_steps(steps, trial))),* }
            }

            /// How often one image goes through all noise levels, and the largest number of them that is of any use.
            pub fn pace(&self, task: Task, several: bool) -> (usize, usize) {
                match self { $(Self::$case(settings) => (settings.passes(), <$settings>::most_steps(task, several))),* }
            }

            /// Whether it cannot draw where nothing is known of the noise in the data.
            pub fn needs_noise(&self) -> bool {
                match self { $(Self::$case(settings) => settings.needs_noise()),* }
            }

            /// Its settings that are in use, by name.
            pub fn table(&self) -> Table {
                match self { $(Self::$case(settings) => described(settings)),* }
            }

            /// Whether a value of the sampler of this name that was found for one estimate holds for several samples.
            pub(super) fn holds_for_samples(name: &str, key: &str) -> bool {
                $(if name == <$settings as SamplerSettings>::INFO.name {
                    return <$settings>::holds_for_samples(key);
                })*
                true
            }

            /// See [`SamplerSettings::shared_with_estimate`].
            pub(super) fn shared_with_estimate(name: &str) -> Option<&'static [&'static str]> {
                $(if name == <$settings as SamplerSettings>::INFO.name {
                    return <$settings>::shared_with_estimate();
                })*
                None
            }
        }
    };
}

samplers! {
    /// The default method.
    Score(Decomposed),
    /// Predictor-corrector sampling, as published.
    Pc(PredictorCorrector),
    /// Annealed Langevin dynamics with the consistency step.
    Ald(Annealed),
    /// Annealed Langevin dynamics guided by the likelihood.
    Langevin(GuidedLangevin),
    /// Predictor-corrector sampling guided by a noisy measurement.
    ScoreSde(NoisyGuidance),
    /// Diffusion posterior sampling.
    Dps(DiffusionPosterior),
    /// Pseudo-inverse guidance.
    Pigdm(PseudoInverseGuided),
    /// A variational point estimate.
    RedDiff(RedDiff),
}
