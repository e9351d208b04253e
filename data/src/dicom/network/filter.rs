//! What is asked for.

use super::uid::Uid;
use std::fmt;
use std::str::FromStr;

/// A text to be matched: no control characters and no backslash, at most 64 characters; `*` and `?` stand for others.
#[derive(Clone, PartialEq, Eq)]
pub struct Text(String);

impl Text {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// It may be the name of a patient.
impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Text(..)")
    }
}

impl FromStr for Text {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let fits = |c: char| !c.is_control() && c != '\\';
        if !text.is_empty() && text.chars().count() <= 64 && text.chars().all(fits) {
            return Ok(Self(text.to_owned()));
        }
        Err("give 1 to 64 characters without backslash".to_owned())
    }
}

/// A day, or days from one to another: `20260131`, `20260101-20260131`, `20260101-`, `-20260131`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DateRange(String);

impl DateRange {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DateRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_day = |day: &str| jiff::civil::Date::strptime("%Y%m%d", day).is_ok() && day.len() == 8;
        let fits = match text.split_once('-') {
            None => is_day(text),
            Some(("", last)) => is_day(last),
            Some((first, "")) => is_day(first),
            Some((first, last)) => is_day(first) && is_day(last) && first <= last,
        };
        if fits {
            return Ok(Self(text.to_owned()));
        }
        Err("give a day YYYYMMDD, or a range YYYYMMDD-YYYYMMDD of which one end may be left out".to_owned())
    }
}

/// Which studies are meant; what is not given matches everything.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// The number of the patient.
    pub patient_id: Option<Text>,
    /// The name of the patient, `FAMILY^GIVEN`.
    pub patient_name: Option<Text>,
    /// The study itself.
    pub study: Option<Uid>,
    /// The number of the order.
    pub accession: Option<Text>,
    /// Studies that have such a series, and only such series.
    pub modality: Option<ModalityCode>,
    /// When the study was made.
    pub date: Option<DateRange>,
}

/// The code of a modality, such as CT, MR or SEG: capital letters and digits, at most 16.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModalityCode(String);

impl ModalityCode {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ModalityCode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.to_ascii_uppercase();
        if (1..=16).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_') {
            return Ok(Self(text));
        }
        Err("give the code of a modality, such as CT or MR".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_ranges_of_them() {
        for good in ["20260131", "20260101-20260131", "20260101-", "-20260131"] {
            assert!(good.parse::<DateRange>().is_ok(), "{good}");
        }
        for bad in ["", "-", "2026", "20261301", "20260131-20260101", "2026-01-31", "20260101-x", "*"] {
            assert!(bad.parse::<DateRange>().is_err(), "{bad}");
        }
    }

    #[test]
    fn texts_hold_one_value_and_are_not_shown() {
        assert_eq!(format!("{:?}", "DOE^JOHN".parse::<Text>().unwrap()), "Text(..)");
        assert!("A\\B".parse::<Text>().is_err() && "A\nB".parse::<Text>().is_err());
        assert_eq!("mr".parse::<ModalityCode>().unwrap().as_str(), "MR");
        assert!("C*".parse::<ModalityCode>().is_err());
    }
}
