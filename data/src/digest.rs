//! SHA-256 of files and bytes, in lower-case hexadecimal.

use crate::DataError;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::io::Read;
use std::path::{Path, PathBuf};

/// SHA-256 of a file's content; of a folder, of the sorted digests of the files directly in it.
///
/// # Errors
/// [`DataError::Unreadable`].
pub fn sha256_file(path: &Path) -> Result<String, DataError> {
    let unreadable = |source| DataError::unreadable(path, source);
    if path.is_dir() {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(path).map_err(unreadable)? {
            files.push(entry.map_err(unreadable)?.path());
        }
        files.retain(|file| file.is_file());
        return sha256_files(&files);
    }
    let mut file = crate::open_regular(path).map_err(unreadable)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let count = file.read(&mut buffer).map_err(unreadable)?;
        if count == 0 {
            return Ok(hexadecimal(&hash.finalize()));
        }
        hash.update(&buffer[..count]);
    }
}

/// SHA-256 of the sorted digests of some files.
///
/// # Errors
/// [`DataError::Unreadable`].
pub fn sha256_files(files: &[PathBuf]) -> Result<String, DataError> {
    let mut digests = files.iter().map(|file| sha256_file(file)).collect::<Result<Vec<_>, _>>()?;
    digests.sort();
    Ok(sha256_bytes(digests.concat().as_bytes()))
}

/// The number that names a case in random streams: the first 8 bytes of the SHA-256 of its input, little-endian.
pub fn case_id(sha256: &str) -> u64 {
    let digits = sha256.get(..16).and_then(|digits| u64::from_str_radix(digits, 16).ok());
    digits.unwrap_or_default().swap_bytes()
}

/// SHA-256 of `bytes`.
pub fn sha256_bytes(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answer() {
        // FIPS 180-2, appendix B.1.
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256_bytes(b"abc"), expected);
        assert_eq!(case_id(expected), u64::from_le_bytes([0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea]));
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"abc").unwrap();
        assert_eq!(sha256_file(file.path()).unwrap(), expected);
    }
}
