//! The values of options, parsed into types before anything runs.

use crate::commands::batch::Shard;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use jiff::SignedDuration;
use recon_pipelines::Named;
use std::time::Duration;

/// The parser of a choice among a few names.
pub fn named<N: Named + Send + Sync>() -> impl TypedValueParser<Value = N> {
    let names = N::ALL.iter().map(|choice| choice.name());
    PossibleValuesParser::new(names).try_map(|name| N::from_name(&name).ok_or("is not one of the names"))
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

/// A finite number, of either sign.
///
/// # Errors
/// Says what was expected.
pub fn finite(text: &str) -> Result<f32, String> {
    let number = text.parse().ok().filter(|x: &f32| x.is_finite());
    number.ok_or_else(|| "give a number".into())
}

/// A number from zero to one.
///
/// # Errors
/// Says what was expected.
pub fn fraction(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|x: &f64| (0.0..=1.0).contains(x));
    number.ok_or_else(|| "give a number from 0 to 1".into())
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

/// A number of bytes above zero: `16G`, `500M`, `64K`, with powers of 1024; a bare number is bytes.
///
/// # Errors
/// Says what was expected.
pub fn bytes(text: &str) -> Result<u64, String> {
    let text = text.trim().trim_end_matches(['B', 'b']).trim_end_matches('i');
    let (digits, power) = match text.char_indices().next_back() {
        Some((at, 'k' | 'K')) => (&text[..at], 1),
        Some((at, 'm' | 'M')) => (&text[..at], 2),
        Some((at, 'g' | 'G')) => (&text[..at], 3),
        Some((at, 't' | 'T')) => (&text[..at], 4),
        _ => (text, 0),
    };
    let number = digits.trim().parse().ok().filter(|x: &f64| x.is_finite() && *x > 0.0);
    let bytes = number.map(|number| number * 1024f64.powi(power)).filter(|bytes| (1.0..1e18).contains(bytes));
    bytes.map(|bytes| bytes as u64).ok_or_else(|| "give a size such as 16G or 500M".into())
}

/// One of several parts: `2/8`.
///
/// # Errors
/// Says what was expected.
pub fn shard(text: &str) -> Result<Shard, String> {
    let numbers =
        text.split_once('/').and_then(|(index, count)| Some((index.parse().ok()?, count.parse().ok()?)));
    match numbers {
        Some((index, count)) if (1..=count).contains(&index) => Ok(Shard { index: index - 1, count }),
        _ => Err("give I/N with I from 1 to N, such as 2/8".into()),
    }
}

/// A duration above zero: `90s`, `40m`, `1h30m`; a bare number is seconds.
///
/// # Errors
/// Says what was expected.
pub fn duration(text: &str) -> Result<Duration, String> {
    let time = match text.trim().parse() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).ok(),
        Err(_) => text.trim().parse().ok().and_then(|time: SignedDuration| time.try_into().ok()),
    };
    let above = time.filter(|time| !time.is_zero());
    above.ok_or_else(|| format!("{text} is not a time above zero such as 90s, 40m or 1h30m"))
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(duration("1h30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(duration("8h"), Ok(Duration::from_secs(28_800)));
        assert_eq!(duration("10min"), Ok(Duration::from_secs(600)));
        assert_eq!(duration("0.25s"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("90"), Ok(Duration::from_secs(90)));
        for bad in ["", "m", "-3s", "3d", "nan", "0s", "1e30h"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
