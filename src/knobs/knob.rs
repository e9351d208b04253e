//! One thing that can be set about a method.

use std::fmt;
use toml::Value;

/// A setting: its name, what it is, which values it takes and where a search looks for the best one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Knob {
    /// Its name, in kebab case: the key of files, and the long option.
    pub key: &'static str,
    /// One sentence.
    pub help: &'static str,
    /// The values that it takes.
    pub range: Range,
    /// Where `recon tune` searches; none for what is not searched.
    pub search: Option<Search>,
}

/// The values of a setting.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Range {
    /// Whole numbers from here on.
    Count(usize),
    /// Finite numbers above 0.
    Positive,
    /// Finite numbers of at least 0.
    NotNegative,
    /// From 0 to 1.
    Share,
    /// From 0 to below 1.
    BelowOne,
    /// One of these names.
    Choice(&'static [&'static str]),
    /// Anything.
    Text,
}

/// More steps or iterations than anybody waits for.
const MAX_COUNT: usize = 1_000_000;

impl Knob {
    /// A setting that is not searched for.
    pub const fn new(key: &'static str, range: Range, help: &'static str) -> Self {
        Self { key, help, range, search: None }
    }

    /// A setting that is.
    pub const fn searched(key: &'static str, range: Range, search: Search, help: &'static str) -> Self {
        Self { key, help, range, search: Some(search) }
    }

    /// The name of its environment variable.
    pub fn variable(&self) -> String {
        format!("RECON_{}", self.key.to_uppercase().replace('-', "_"))
    }
}

impl Range {
    /// The value that a text says.
    ///
    /// # Errors
    /// Says what was expected.
    pub fn parse(self, text: &str) -> Result<Value, String> {
        let value = match self {
            Self::Count(_) => text.trim().parse().ok().map(Value::Integer),
            Self::Choice(_) | Self::Text => Some(Value::String(text.to_owned())),
            Self::Positive | Self::NotNegative | Self::Share | Self::BelowOne => {
                text.trim().parse().ok().map(Value::Float)
            }
        };
        value.ok_or_else(|| self.expected()).and_then(|value| self.checked(value))
    }

    /// A value of the right type within the range; whole numbers do for any number.
    ///
    /// # Errors
    /// Says what was expected.
    pub fn checked(self, value: Value) -> Result<Value, String> {
        let (value, fits) = match (self, value) {
            (Self::Count(least), Value::Integer(n)) => {
                (Value::Integer(n), usize::try_from(n).is_ok_and(|n| (least..=MAX_COUNT).contains(&n)))
            }
            (Self::Choice(names), Value::String(name)) => {
                let fits = names.contains(&name.as_str());
                (Value::String(name), fits)
            }
            (Self::Text, Value::String(text)) => (Value::String(text), true),
            (_, Value::Integer(n)) => (Value::Float(n as f64), self.holds(n as f64)),
            (_, Value::Float(x)) => (Value::Float(x), self.holds(x)),
            (_, value) => (value, false),
        };
        if fits { Ok(value) } else { Err(self.expected()) }
    }

    fn holds(self, x: f64) -> bool {
        match self {
            Self::Positive => x.is_finite() && x > 0.0,
            Self::NotNegative => x.is_finite() && x >= 0.0,
            Self::Share => (0.0..=1.0).contains(&x),
            Self::BelowOne => (0.0..1.0).contains(&x),
            Self::Count(_) | Self::Choice(_) | Self::Text => false,
        }
    }

    fn expected(self) -> String {
        format!("does not fit; give {self}")
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(least) => write!(f, "a whole number of at least {least}"),
            Self::Positive => f.write_str("a number above 0"),
            Self::NotNegative => f.write_str("a number of at least 0"),
            Self::Share => f.write_str("a number from 0 to 1"),
            Self::BelowOne => f.write_str("a number from 0 to below 1"),
            Self::Choice(names) => f.write_str(&names.join(" or ")),
            Self::Text => f.write_str("a text"),
        }
    }
}

/// Where a search looks, between two ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Search {
    /// Even in the logarithm.
    Logarithmic(f64, f64),
    /// Even.
    Linear(f64, f64),
    /// Whole numbers, both ends included.
    Whole(f64, f64),
}

/// Largest place of a value: the places are `[0, 1)`.
const LAST: f64 = 1.0 - 1e-9;

impl Search {
    /// The value at a place in `[0, 1)`, to four digits: more mean nothing, and these survive being written.
    pub fn value(self, place: f64) -> f64 {
        match self {
            Self::Logarithmic(low, high) => four_digits(low * (high / low).powf(place)),
            Self::Linear(low, high) => four_digits(low + (high - low) * place),
            Self::Whole(low, high) => (low + ((high - low + 1.0) * place).floor()).clamp(low, high),
        }
    }

    /// The place of a value in `[0, 1)`; values outside lie at the ends.
    pub fn place(self, value: f64) -> f64 {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_out_of_range_are_refused_in_words() {
        let refused = |range: Range, text: &str| range.parse(text).expect_err(text);
        assert_eq!(refused(Range::Positive, "0"), "does not fit; give a number above 0");
        assert_eq!(refused(Range::Count(2), "1"), "does not fit; give a whole number of at least 2");
        assert_eq!(refused(Range::Count(1), "2.5"), "does not fit; give a whole number of at least 1");
        assert_eq!(refused(Range::Share, "nan"), "does not fit; give a number from 0 to 1");
        assert_eq!(refused(Range::Choice(&["upright", "all"]), "both"), "does not fit; give upright or all");
        assert_eq!(Range::Positive.parse("3"), Ok(Value::Float(3.0)));
        assert_eq!(Range::Positive.checked(Value::Integer(3)), Ok(Value::Float(3.0)));
        assert!(Range::Positive.checked(Value::Boolean(true)).is_err());
    }

    #[test]
    fn places_and_values_belong_together() {
        for search in [
            Search::Logarithmic(0.1, 2.0),
            Search::Logarithmic(10.0, 50_000.0),
            Search::Linear(0.0, 0.95),
            Search::Whole(3.0, 12.0),
        ] {
            for k in 0..=50 {
                let value = search.value(LAST * f64::from(k) / 50.0);
                let again = search.value(search.place(value));
                assert!((again - value).abs() <= 1e-3 * value, "{search:?}: {value}, {again}");
                assert!((0.0..1.0).contains(&search.place(value)));
            }
        }
        assert_eq!(Search::Whole(3.0, 12.0).value(0.0), 3.0);
        assert_eq!(Search::Whole(3.0, 12.0).value(LAST), 12.0);
        assert_eq!(Search::Logarithmic(0.1, 2.0).value(LAST), 2.0);
        assert_eq!(Search::Linear(0.0, 1.0).place(7.0), LAST);
    }
}
