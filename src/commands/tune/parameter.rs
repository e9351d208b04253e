//! The settings that are searched for, and where.

use crate::commands::learned::Plan;
use crate::commands::options::{Family, Learned};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A setting that is searched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Parameter {
    /// σ₀, noise level of the start.
    SigmaStart,
    /// σ of the last denoising.
    SigmaEnd,
    /// γ, weight of the data.
    DataWeight,
    /// Conjugate-gradient steps of a data fit.
    CgIterations,
    /// η, share of fresh noise.
    Eta,
    /// β, how far a step goes on in the direction of the one before.
    Momentum,
    /// Signal-to-noise ratio of the Langevin corrector.
    Snr,
    /// λ of the consistency step.
    Lambda,
}

/// A value for every parameter of a search.
pub(super) type Point = BTreeMap<Parameter, f64>;

/// The values of a parameter between two ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Range {
    /// Even in the logarithm.
    Logarithmic(f64, f64),
    /// Even.
    Linear(f64, f64),
    /// Whole numbers, both ends included.
    Whole(f64, f64),
}

/// Largest place of a value: the places are `[0, 1)`.
const LAST: f64 = 1.0 - 1e-9;

impl Range {
    /// The value at a place in `[0, 1)`, to four digits: more mean nothing, and these survive being written.
    pub(super) fn value(self, place: f64) -> f64 {
        match self {
            Self::Logarithmic(low, high) => four_digits(low * (high / low).powf(place)),
            Self::Linear(low, high) => four_digits(low + (high - low) * place),
            Self::Whole(low, high) => (low + ((high - low + 1.0) * place).floor()).clamp(low, high),
        }
    }

    /// The place of a value in `[0, 1)`; values outside lie at the ends.
    pub(super) fn place(self, value: f64) -> f64 {
        let place = match self {
            Self::Logarithmic(low, high) => (value / low).ln() / (high / low).ln(),
            Self::Linear(low, high) => (value - low) / (high - low),
            Self::Whole(low, high) => (value - low + 0.5) / (high - low + 1.0),
        };
        place.clamp(0.0, LAST)
    }
}

fn four_digits(value: f64) -> f64 {
    format!("{value:.3e}").parse().unwrap_or(value)
}

impl Parameter {
    /// Those of a method.
    pub(super) fn of(family: Family) -> &'static [Self] {
        match family {
            Family::Score => {
                use Parameter::{CgIterations, DataWeight, Eta, Momentum, SigmaEnd, SigmaStart};
                &[SigmaStart, SigmaEnd, DataWeight, CgIterations, Eta, Momentum]
            }
            Family::PredictorCorrector => &[Self::Snr, Self::Lambda],
            Family::Direct | Family::Tv | Family::Wavelet => &[],
        }
    }

    /// Where it is searched.
    pub(super) fn range(self) -> Range {
        match self {
            Self::SigmaStart => Range::Logarithmic(0.1, 2.0),
            Self::SigmaEnd => Range::Logarithmic(0.001, 0.05),
            Self::DataWeight => Range::Logarithmic(10.0, 50_000.0),
            Self::CgIterations => Range::Whole(3.0, 12.0),
            Self::Snr => Range::Logarithmic(0.01, 1.0),
            Self::Eta | Self::Lambda => Range::Linear(0.0, 1.0),
            Self::Momentum => Range::Linear(0.0, 0.95),
        }
    }

    /// Its value among resolved settings.
    pub(super) fn in_plan(self, plan: &Plan) -> Option<f64> {
        match self {
            Self::SigmaStart => plan.sigma_start,
            Self::SigmaEnd => plan.sigma_end,
            Self::DataWeight => plan.data_weight,
            Self::CgIterations => plan.cg_iterations.map(|n| n as f64),
            Self::Eta => plan.eta,
            Self::Momentum => plan.momentum,
            Self::Snr => plan.snr,
            Self::Lambda => plan.lambda,
        }
    }

    /// What the user said about it.
    pub(super) fn in_options(self, options: &Learned) -> Option<f64> {
        match self {
            Self::SigmaStart => options.sigma_start,
            Self::SigmaEnd => options.sigma_end,
            Self::DataWeight => options.data_weight,
            Self::CgIterations => options.cg_iterations.map(|n| n as f64),
            Self::Eta => options.eta,
            Self::Momentum => options.momentum,
            Self::Snr => options.snr,
            Self::Lambda => options.lambda,
        }
    }

    /// Makes options say this value.
    pub(super) fn set(self, options: &mut Learned, value: f64) {
        match self {
            Self::SigmaStart => options.sigma_start = Some(value),
            Self::SigmaEnd => options.sigma_end = Some(value),
            Self::DataWeight => options.data_weight = Some(value),
            Self::CgIterations => options.cg_iterations = Some(value as usize),
            Self::Eta => options.eta = Some(value),
            Self::Momentum => options.momentum = Some(value),
            Self::Snr => options.snr = Some(value),
            Self::Lambda => options.lambda = Some(value),
        }
    }
}

/// A point in words.
pub(super) fn describe(point: &Point) -> String {
    let words = point.iter().map(|(parameter, value)| {
        let name = serde_json::to_value(parameter).ok();
        format!("{} {value}", name.as_ref().and_then(|name| name.as_str()).unwrap_or_default())
    });
    words.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_values_belong_together() {
        for family in [Family::Score, Family::PredictorCorrector] {
            for parameter in Parameter::of(family) {
                let range = parameter.range();
                for k in 0..=50 {
                    let value = range.value(LAST * f64::from(k) / 50.0);
                    let again = range.value(range.place(value));
                    assert!((again - value).abs() <= 1e-3 * value, "{parameter:?}: {value}, {again}");
                    assert!((0.0..1.0).contains(&range.place(value)));
                }
            }
        }
        assert_eq!(Range::Whole(3.0, 12.0).value(0.0), 3.0);
        assert_eq!(Range::Whole(3.0, 12.0).value(LAST), 12.0);
        assert_eq!(Range::Logarithmic(0.1, 2.0).value(LAST), 2.0);
        assert_eq!(Range::Linear(0.0, 1.0).place(7.0), LAST);
    }

    #[test]
    fn points_are_written_by_name() {
        let point = Point::from([(Parameter::SigmaStart, 0.5), (Parameter::CgIterations, 6.0)]);
        let text = serde_json::to_string(&point).expect("text");
        assert_eq!(text, r#"{"sigma_start":0.5,"cg_iterations":6.0}"#);
        assert_eq!(serde_json::from_str::<Point>(&text).expect("read"), point);
        assert_eq!(describe(&point), "sigma_start 0.5, cg_iterations 6");
    }
}
