//! The values of options, parsed into types before anything runs.

use clap::ValueEnum;
use recon_data::Unit;
use recon_operators::{Filter, MetricPreset, PhaseAxis, Sampling};
use serde::Serialize;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

macro_rules! choices {
    ($(#[$doc:meta])* $name:ident => $target:ty { $($(#[$case_doc:meta])* $case:ident => $value:expr),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum $name { $($(#[$case_doc])* $case),* }

        impl From<$name> for $target {
            fn from(choice: $name) -> Self {
                match choice { $($name::$case => $value),* }
            }
        }
    };
}

choices! {
    /// Window of the ramp filter in filtered back-projection.
    FilterName => Filter {
        /// None: the sharpest.
        Ramp => Filter::Ramp,
        /// Sinc.
        SheppLogan => Filter::SheppLogan,
        /// Cosine.
        Cosine => Filter::Cosine,
        /// Hamming.
        Hamming => Filter::Hamming,
        /// Hann: the smoothest.
        Hann => Filter::Hann,
    }
}

choices! {
    /// What the numbers of an image mean.
    UnitName => Unit {
        /// Hounsfield units.
        Hu => Unit::Hounsfield,
        /// Linear attenuation, 1/mm.
        Attenuation => Unit::Attenuation,
        /// Any other scale.
        Arbitrary => Unit::Arbitrary,
    }
}

choices! {
    /// Along which image axis phase encoding runs: lines are dropped along it.
    PhaseAxisName => PhaseAxis {
        /// Whole k-space columns are kept or dropped.
        Columns => PhaseAxis::Columns,
        /// Whole k-space rows are kept or dropped.
        Rows => PhaseAxis::Rows,
    }
}

choices! {
    /// Whose definitions of PSNR and SSIM.
    PresetName => MetricPreset {
        /// fastMRI: 7x7 uniform window, sample covariance, maximum of the reference volume.
        Fastmri => MetricPreset::FastMri,
        /// scikit-image: the Gaussian window of Wang et al. 2004.
        Skimage => MetricPreset::Skimage,
        /// piq.
        Piq => MetricPreset::Piq,
    }
}

choices! {
    /// Which lines or points of k-space are measured.
    SamplingName => Sampling {
        /// Every n-th line and the centre, as fastMRI's equispaced-fraction mask.
        Equispaced => Sampling::Equispaced,
        /// Random lines and the centre, as fastMRI's random mask.
        Random => Sampling::Random,
        /// Offset equispaced lines that use conjugate symmetry, as fastMRI's magic mask.
        Magic => Sampling::Magic,
        /// Lines drawn from a Gaussian around the centre.
        #[value(name = "gaussian1d")]
        Gaussian1d => Sampling::Gaussian1d,
        /// Points drawn from a Gaussian around the centre.
        #[value(name = "gaussian2d")]
        Gaussian2d => Sampling::Gaussian2d,
        /// Variable-density Poisson disc.
        PoissonDisc => Sampling::PoissonDisc,
        /// Spokes through the centre, on the grid.
        Radial => Sampling::Radial,
    }
}

/// `ROWSxCOLS`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ImageSize {
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub cols: usize,
}

impl FromStr for ImageSize {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (rows, cols) = text.split_once(['x', 'X']).unwrap_or((text, text));
        let side = |side: &str| side.trim().parse().ok().filter(|n| (1..=16384).contains(n));
        match (side(rows), side(cols)) {
            (Some(rows), Some(cols)) => Ok(Self { rows, cols }),
            _ => Err("give ROWSxCOLS, each from 1 to 16384, such as 320x320".into()),
        }
    }
}

/// `A..B`: slices A to B − 1, counted from 0; either end may be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SliceRange {
    /// The first slice.
    pub first: usize,
    /// One past the last slice; none means to the end.
    pub end: Option<usize>,
}

impl SliceRange {
    /// The range within a stack of `slices`, if it names at least one slice of it and none beyond.
    pub fn within(self, slices: usize) -> Option<std::ops::Range<usize>> {
        let end = self.end.unwrap_or(slices);
        (self.first < end && end <= slices).then_some(self.first..end)
    }
}

impl FromStr for SliceRange {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || "give A..B counted from 0 with B left out of it, such as 10..20, or one number".to_owned();
        let number = |text: &str| text.trim().parse::<usize>().map_err(|_| wrong());
        let range = match text.split_once("..") {
            None => number(text).map(|first| Self { first, end: first.checked_add(1) }),
            Some((first, end)) => Ok(Self {
                first: if first.is_empty() { 0 } else { number(first)? },
                end: if end.is_empty() { None } else { Some(number(end)?) },
            }),
        }?;
        if range.end.is_some_and(|end| end <= range.first) { Err(wrong()) } else { Ok(range) }
    }
}

impl fmt::Display for SliceRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..", self.first)?;
        self.end.map_or(Ok(()), |end| write!(f, "{end}"))
    }
}

/// A finite number above zero.
///
/// # Errors
/// Says what was expected.
pub fn positive(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|x: &f64| x.is_finite() && *x > 0.0);
    number.ok_or_else(|| "give a number above 0".into())
}

/// A finite number of at least zero.
///
/// # Errors
/// Says what was expected.
pub fn not_negative(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|x: &f64| x.is_finite() && *x >= 0.0);
    number.ok_or_else(|| "give a number of at least 0".into())
}

/// A number from zero to one.
///
/// # Errors
/// Says what was expected.
pub fn fraction(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|x: &f64| (0.0..=1.0).contains(x));
    number.ok_or_else(|| "give a number from 0 to 1".into())
}

/// A number from 0 to below 1.
///
/// # Errors
/// Says what was expected.
pub fn below_one(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|x: &f64| (0.0..1.0).contains(x));
    number.ok_or_else(|| "give a number from 0 to below 1".into())
}

/// An acceleration: a finite number of at least one.
///
/// # Errors
/// Says what was expected.
pub fn acceleration(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|x: &f64| x.is_finite() && *x >= 1.0);
    number.ok_or_else(|| "give a number of at least 1; 1 means fully sampled".into())
}

/// A whole number of at least one, and not absurd.
///
/// # Errors
/// Says what was expected.
pub fn count(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|n: &usize| (1..=1_000_000).contains(n));
    number.ok_or_else(|| "give a whole number of at least 1".into())
}

/// A duration with a unit: `90s`, `40m`, `2h`; a bare number is seconds.
pub fn duration(text: &str) -> Result<Duration, String> {
    let split = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let factor = match &text[split..] {
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        unit => return Err(format!("unknown unit {unit}; use s, m or h")),
    };
    let number: f64 = text[..split].trim().parse().map_err(|_| format!("{text} is no time such as 40m"))?;
    match Duration::try_from_secs_f64(number * factor) {
        Ok(time) if !time.is_zero() => Ok(time),
        _ => Err(format!("{text} is not a time above zero")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slice_ranges_are_half_open_and_checked() {
        let range: SliceRange = "2..5".parse().expect("valid");
        assert_eq!(range.within(5), Some(2..5));
        assert_eq!(range.within(4), None);
        assert_eq!("7".parse::<SliceRange>().expect("valid").within(9), Some(7..8));
        assert_eq!("..".parse::<SliceRange>().expect("valid").within(3), Some(0..3));
        for wrong in ["5..5", "5..2", "a..b", "", "-1..2", "1..2..3"] {
            assert!(wrong.parse::<SliceRange>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_are_rows_by_columns() {
        assert_eq!("3x4".parse(), Ok(ImageSize { rows: 3, cols: 4 }));
        assert_eq!("64".parse(), Ok(ImageSize { rows: 64, cols: 64 }));
        for wrong in ["0x4", "3x", "3x99999", "axb", "-3x4"] {
            assert!(wrong.parse::<ImageSize>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        assert!(acceleration("0.5").is_err() && acceleration("nan").is_err() && acceleration("1").is_ok());
        assert!(count("0").is_err() && count("-3").is_err() && count("3").is_ok());
        assert!(fraction("1.1").is_err() && positive("0").is_err() && not_negative("-1").is_err());
    }

    #[test]
    fn times_have_units() {
        assert_eq!(duration("40m"), Ok(Duration::from_secs(2400)));
        assert_eq!(duration("1.5h"), Ok(Duration::from_secs(5400)));
        assert_eq!(duration("90"), Ok(Duration::from_secs(90)));
        for bad in ["", "m", "-3s", "3d", "nan", "0s", "1e30h"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
