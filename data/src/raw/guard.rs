//! How much memory a file may ask for.

use crate::DataError;
use std::path::Path;

/// No array is larger than the file, times this.
const TIMES: u64 = 4;
/// Small files may ask for so many bytes nevertheless.
const FLOOR: u64 = 1 << 20;
/// Lines that were not measured are zero: a slice is at most so many times the samples that the file has for it.
const MOST_ACCELERATION: u64 = 32;

/// Bytes that one array from a file of `length` bytes may take.
pub(super) fn limit(length: u64) -> u64 {
    length.saturating_mul(TIMES).max(FLOOR)
}

/// Bytes that a grid may take into which `held` bytes of samples are put, from a file of `length` bytes.
pub(super) fn grid_limit(length: u64, held: u64) -> u64 {
    held.min(length).saturating_mul(MOST_ACCELERATION).max(limit(length))
}

/// The number of bytes of an array, unless that is more than `limit`.
pub(super) fn bytes_of(path: &Path, shape: &[usize], size: usize, limit: u64) -> Result<u64, DataError> {
    let count = shape.iter().try_fold(size as u64, |bytes, &length| bytes.checked_mul(length as u64));
    if shape.contains(&0) {
        let what = format!("has an empty axis (shape {shape:?})");
        return Err(DataError::input(path, what, "export the k-space again"));
    }
    count.filter(|&bytes| bytes <= limit).ok_or_else(|| {
        let what = format!("claims a slice of shape {shape:?}, which is far more than the file holds");
        DataError::input(path, what, "copy or export it again; if it is right, store it without compression")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_are_held_against_the_file() {
        let path = Path::new("a.h5");
        assert_eq!(bytes_of(path, &[8, 32, 32], 8, limit(100)).unwrap(), 65536);
        for shape in [[8, 1024, 1024], [usize::MAX, usize::MAX, 2]] {
            let text = bytes_of(path, &shape, 8, limit(1 << 20)).unwrap_err().to_string();
            assert!(text.starts_with("a.h5: claims a slice"), "{text}");
        }
        assert!(bytes_of(path, &[8, 0, 4], 8, u64::MAX).unwrap_err().to_string().contains("empty axis"));
        assert_eq!(grid_limit(1 << 24, 1 << 22), 1 << 27);
        assert_eq!(grid_limit(1 << 24, u64::MAX), 1 << 29);
    }
}
