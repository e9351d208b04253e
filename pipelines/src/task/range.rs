//! Which slices of a scan.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// `A..B`: slices A to B − 1, counted from 0; either end may be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
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
            || "give A..B, counted from 0 and without B itself, such as 10..20, or one number".to_owned();
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

impl TryFrom<String> for SliceRange {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<SliceRange> for String {
    fn from(range: SliceRange) -> Self {
        range.to_string()
    }
}

impl fmt::Display for SliceRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..", self.first)?;
        self.end.map_or(Ok(()), |end| write!(f, "{end}"))
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
}
