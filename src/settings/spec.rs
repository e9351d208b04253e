//! A method with every setting filled in.

use super::conditional::{ConditionalSpec, FALLBACK};
use super::{BayesSpec, Learned, TvSpec, WaveletSpec, find, info};
use crate::knobs::{Info, SettingError, Table};
use recon_pipelines::{Classical, Task};
use serde::{Deserialize, Serialize};
use toml::Value;

/// A method with its settings: what a case file and a sidecar say under `method`.
#[derive(Clone, Debug, PartialEq)]
pub enum MethodSpec {
    /// Filtered back-projection.
    Fbp,
    /// Zeros where nothing was measured.
    ZeroFilled,
    /// Linear interpolation of the rays through metal.
    Li,
    /// Total variation.
    Tv(TvSpec),
    /// Sparsity in wavelets.
    L1Wavelet(WaveletSpec),
    /// With a prior of images alone.
    Learned(Box<Learned>),
    /// With a prior that is told what was measured.
    Conditional(Box<ConditionalSpec>),
    /// The mean of repeats.
    Average,
    /// The posterior mean of an image with noise.
    Bayes(Box<BayesSpec>),
}

/// A method as it stands in a file: its name and some of its settings. [`MethodSpec::of_table`] reads it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MethodTable(pub Table);

impl MethodSpec {
    /// The method of a table for a task: its `name` and its settings; what is missing is as the program has it.
    ///
    /// # Errors
    /// Names a setting that the method does not have or that cannot be.
    pub fn of_table(task: Task, table: &MethodTable) -> Result<Self, SettingError> {
        let mut given = table.0.clone();
        let Some(Value::String(name)) = given.remove("name") else {
            return Err(SettingError::new("name", "is missing; name a method"));
        };
        Self::given(&name, task, given)
    }

    /// The method of this name with what is `given` over the program's settings for a task.
    ///
    /// # Errors
    /// As [`MethodSpec::of_table`].
    pub(super) fn given(name: &str, task: Task, mut given: Table) -> Result<Self, SettingError> {
        let info = Self::info_for(name, task)?;
        check(info, &mut given)?;
        let number = |key: &str| given.get(key).and_then(Value::as_float).map(|x| x as f32);
        let steps = given.get("steps").and_then(Value::as_integer).and_then(|n| usize::try_from(n).ok());
        Ok(match info.name {
            "fbp" => Self::Fbp,
            "zero-filled" => Self::ZeroFilled,
            "li" => Self::Li,
            "average" => Self::Average,
            "tv" => {
                let mut tv = TvSpec::defaults(task);
                tv.settings.weight = number("tv-weight").unwrap_or(tv.settings.weight);
                tv.settings.iterations = steps.unwrap_or(tv.settings.iterations);
                Self::Tv(tv)
            }
            "l1-wavelet" => {
                let mut wavelet = WaveletSpec::defaults();
                wavelet.settings.weight = number("wavelet-weight").unwrap_or(wavelet.settings.weight);
                wavelet.settings.iterations = steps.unwrap_or(wavelet.settings.iterations);
                Self::L1Wavelet(wavelet)
            }
            name if name == ConditionalSpec::INFO.name => {
                Self::Conditional(Box::new(ConditionalSpec::new(task, &given)?))
            }
            name if name == BayesSpec::INFO.name => Self::Bayes(Box::new(BayesSpec::new(task, &given)?)),
            _ => Self::Learned(Box::new(Learned::new(info, task, &given)?)),
        })
    }

    /// What there is to know about the method of this name, which must serve a task.
    ///
    /// # Errors
    /// When there is none, or it does not.
    pub(super) fn info_for(name: &str, task: Task) -> Result<&'static Info, SettingError> {
        let serves = |info: &&Info| info.tasks.contains(&task);
        let found = find(name).filter(serves);
        found.ok_or_else(|| {
            let names: Vec<&str> = super::infos().filter(serves).map(|info| info.name).collect();
            let message = format!("{name} is not a method for {task}; choose {}", names.join(", "));
            SettingError::new("method", message)
        })
    }

    /// What there is to know about the method.
    pub fn info(&self) -> &'static Info {
        match self {
            Self::Fbp => &info::FBP,
            Self::ZeroFilled => &info::ZERO_FILLED,
            Self::Li => &info::LI,
            Self::Tv(_) => &info::TV,
            Self::L1Wavelet(_) => &info::L1_WAVELET,
            Self::Learned(learned) => learned.sampler.info(),
            Self::Conditional(_) => ConditionalSpec::INFO,
            Self::Average => &info::AVERAGE,
            Self::Bayes(_) => BayesSpec::INFO,
        }
    }

    /// Whether the method, set so, does not run where nothing is known of the noise in the data.
    pub fn needs_noise(&self) -> bool {
        matches!(self, Self::Learned(learned) if learned.sampler.needs_noise())
    }

    /// The method without a network; none for one with.
    pub fn classical(&self) -> Option<Classical> {
        match self {
            Self::Fbp => Some(Classical::Fbp),
            Self::ZeroFilled => Some(Classical::ZeroFilled),
            Self::Li => Some(Classical::Li),
            Self::Tv(tv) => Some(Classical::Tv(tv.settings.clone())),
            Self::L1Wavelet(wavelet) => Some(Classical::L1Wavelet(wavelet.settings.clone())),
            Self::Average => Some(Classical::Average),
            Self::Learned(_) | Self::Conditional(_) | Self::Bayes(_) => None,
        }
    }

    /// What is compared with it for a task, the strongest last: classical methods with the program's settings.
    pub fn baselines(&self, task: Task) -> Vec<Self> {
        let tv = || Self::Tv(TvSpec::defaults(task));
        match (self, task) {
            (Self::Tv(_), Task::Ct) => vec![Self::Fbp],
            (Self::Learned(_) | Self::Conditional(_), Task::Ct) => vec![Self::Fbp, tv()],
            (Self::Tv(_) | Self::L1Wavelet(_), Task::Mri) => vec![Self::ZeroFilled],
            (Self::Learned(_) | Self::Conditional(_), Task::Mri) => {
                vec![Self::ZeroFilled, Self::L1Wavelet(WaveletSpec::defaults()), tv()]
            }
            (Self::Tv(_) | Self::Learned(_), Task::Mar) => vec![Self::Li],
            (Self::Bayes(_), Task::Denoise) => vec![Self::Average],
            _ => Vec::new(),
        }
    }

    /// Name and settings that are in use.
    pub fn table(&self) -> MethodTable {
        let mut table = match self {
            Self::Fbp | Self::ZeroFilled | Self::Li | Self::Average => Table::new(),
            Self::Tv(tv) => settings("tv-weight", tv.settings.weight, tv.settings.iterations),
            Self::L1Wavelet(wavelet) => {
                settings("wavelet-weight", wavelet.settings.weight, wavelet.settings.iterations)
            }
            Self::Learned(learned) => learned.table(),
            Self::Conditional(conditional) => conditional.table(),
            Self::Bayes(bayes) => bayes.table(),
        };
        table.insert("name".to_owned(), self.info().name.into());
        MethodTable(table)
    }
}

/// Refuses settings that the method does not have or that are out of their range; whole numbers become what they stand for.
fn check(info: &Info, given: &mut Table) -> Result<(), SettingError> {
    for (key, value) in given.iter_mut() {
        if key == "around" && info.learned {
            if let Value::Table(point) = value {
                check(info, point)?;
            }
            continue;
        }
        if key == FALLBACK && info.name == ConditionalSpec::INFO.name {
            if let Value::Table(other) = value {
                check(ConditionalSpec::FALLBACK_INFO, other)?;
            }
            continue;
        }
        let Some(knob) = info.knob(key) else {
            let keys: Vec<&str> = info.all_knobs().map(|knob| knob.key).collect();
            let has = if keys.is_empty() { "none".to_owned() } else { keys.join(", ") };
            let message = format!("is not a setting of method {}, which has {has}", info.name);
            return Err(SettingError::new(key, message));
        };
        let checked = knob.range.checked(value.clone());
        *value = checked.map_err(|expected| SettingError::new(key, format!("{value}: {expected}")))?;
    }
    Ok(())
}

fn settings(weight: &str, value: f32, steps: usize) -> Table {
    // The shortest text of a 32-bit number, which is what a user would write.
    let value: f64 = value.to_string().parse().unwrap_or(f64::from(value));
    Table::from_iter([(weight.to_owned(), value.into()), ("steps".to_owned(), (steps as i64).into())])
}

impl Serialize for MethodSpec {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.table().serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(task: Task, text: &str) -> Result<MethodSpec, String> {
        let table: Table = text.parse().expect("TOML");
        MethodSpec::of_table(task, &MethodTable(table)).map_err(|error| error.to_string())
    }

    #[test]
    fn every_method_survives_being_written() {
        for info in super::super::infos() {
            for &task in info.tasks {
                for extra in ["", "\nsamples = 3", "\nsteps = 9"] {
                    let text = format!("name = \"{}\"{extra}", info.name);
                    let Ok(first) = spec(task, &text) else {
                        assert!(!extra.is_empty(), "{text} for {task}");
                        continue;
                    };
                    assert_eq!(first.info().name, info.name);
                    let again = MethodSpec::of_table(task, &first.table()).expect("its own table");
                    assert_eq!(first, again, "{text} for {task}");
                }
            }
        }
    }

    #[test]
    fn a_description_holds_what_has_an_effect() {
        let table = |text| spec(Task::Ct, text).expect("a method").table().0;
        let point = table("name = \"score\"");
        assert!(point.contains_key("momentum") && point.contains_key("passes"));
        assert!(!point.contains_key("eta") && !point.contains_key("widen") && !point.contains_key("around"));
        let samples = table("name = \"score\"\nsamples = 4");
        assert!(
            samples.contains_key("eta") && samples.contains_key("widen") && samples.contains_key("around")
        );
        assert!(!samples.contains_key("momentum") && !samples.contains_key("passes"));
        assert_eq!(table("name = \"fista-tv\"")["tv-weight"].as_float(), Some(0.0003));
    }

    #[test]
    fn what_stands_for_several_samples_is_read_and_written_by_its_name() {
        for estimate in ["mean", "sample", "median"] {
            let text = format!("name = \"dps\"\nsamples = 2\nestimate = \"{estimate}\"\nwiden = 2.0");
            let table = spec(Task::Ct, &text).expect("a method").table().0;
            assert_eq!((table["estimate"].as_str(), table["widen"].as_float()), (Some(estimate), Some(2.0)));
        }
        assert!(
            spec(Task::Ct, "name = \"dps\"\nestimate = \"mode\"").is_err_and(|e| e.starts_with("estimate: "))
        );
    }

    #[test]
    fn a_conditional_prior_has_a_method_beside_it_and_one_estimate() {
        let table = spec(Task::Mri, "name = \"conditional\"\nsteps = 4\n[fallback]\nsteps = 9")
            .expect("a method")
            .table()
            .0;
        let fallback = table["fallback"].as_table().expect("a table");
        assert_eq!((table["steps"].as_integer(), fallback["steps"].as_integer()), (Some(4), Some(9)));
        assert_eq!(
            (table["model"].as_str(), fallback["model"].as_str()),
            (Some("mr/conditional"), Some("mr"))
        );
        let refused = |text: &str| spec(Task::Mri, text).expect_err(text);
        assert!(refused("name = \"conditional\"\nsamples = 2").starts_with("samples: "));
        assert!(refused("name = \"conditional\"\nflips = \"none\"").starts_with("flips: "));
        assert!(refused("name = \"conditional\"\n[fallback]\nsnr = 0.1").starts_with("snr: "));
        let views = spec(Task::Ct, "name = \"conditional\"").expect("a method").table().0;
        assert_eq!(views["model"].as_str(), Some("ct/conditional"));
        assert!(
            spec(Task::Mar, "name = \"conditional\"")
                .expect_err("no such prior")
                .contains("not a method for mar")
        );
    }

    #[test]
    fn what_a_method_does_not_have_is_refused_by_name() {
        let refused = |text: &str| spec(Task::Ct, text).expect_err(text);
        assert!(
            refused("name = \"tv\"\nmomentum = 0.5").starts_with("momentum: is not a setting of method tv")
        );
        assert!(
            refused("name = \"score\"\nsteps = 0").contains("steps: 0: does not fit; give a whole number")
        );
        assert!(refused("name = \"score\"\nsigma-start = 0.001").contains("sigma-start"));
        assert!(refused("name = \"zero-filled\"").contains("not a method for ct; choose fbp"));
        assert!(refused("steps = 3").contains("name: is missing"));
        assert!(refused("name = \"score\"\npasses = 3\ntemperature = 1.0").contains("passes"));
    }
}
