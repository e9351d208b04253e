//! The size of an image.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// `ROWSxCOLS`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImageSize {
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub cols: usize,
}

/// The longest side that an image may have.
pub const MAX_SIDE: usize = 16384;

impl FromStr for ImageSize {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (rows, cols) = text.split_once(['x', 'X']).unwrap_or((text, text));
        let side = |side: &str| side.trim().parse().ok().filter(|n| (1..=MAX_SIDE).contains(n));
        match (side(rows), side(cols)) {
            (Some(rows), Some(cols)) => Ok(Self { rows, cols }),
            _ => Err(format!("give ROWSxCOLS, each from 1 to {MAX_SIDE}, such as 320x320")),
        }
    }
}

impl TryFrom<String> for ImageSize {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<ImageSize> for String {
    fn from(size: ImageSize) -> Self {
        size.to_string()
    }
}

impl fmt::Display for ImageSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.rows, self.cols)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_rows_by_columns() {
        assert_eq!("3x4".parse(), Ok(ImageSize { rows: 3, cols: 4 }));
        assert_eq!("64".parse(), Ok(ImageSize { rows: 64, cols: 64 }));
        for wrong in ["0x4", "3x", "3x99999", "axb", "-3x4"] {
            assert!(wrong.parse::<ImageSize>().is_err(), "{wrong}");
        }
    }
}
