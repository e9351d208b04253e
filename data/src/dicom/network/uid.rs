//! Unique identifiers, which also become names of files.

use std::fmt;
use std::str::FromStr;

/// A unique identifier of DICOM: digits and dots, at most 64 characters (PS3.5, 9.1).
///
/// Nothing else fits in, so that one which a peer sends may name a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct Uid(String);

impl Uid {
    /// Its characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Uid {
    type Err = String;

    /// Reads one; the padding that files have is taken off.
    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim_matches(['\0', ' ']);
        let parts = || text.split('.');
        let number = |part: &str| !part.is_empty() && part.bytes().all(|c| c.is_ascii_digit());
        if text.len() <= 64 && parts().all(number) && parts().count() > 1 {
            return Ok(Self(text.to_owned()));
        }
        Err("a UID has numbers with dots between them, at most 64 characters".to_owned())
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_numbers_and_dots_are_identifiers() {
        assert_eq!("1.2.840.10008.1.1\0".parse::<Uid>().unwrap().as_str(), "1.2.840.10008.1.1");
        for bad in ["", "1", "1..2", ".1", "1.", "../1.2", "1.2/3", "1.2a", &"1.".repeat(33)] {
            assert!(bad.parse::<Uid>().is_err(), "{bad}");
        }
    }
}
