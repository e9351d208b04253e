//! The secret that pseudonyms are made with.

use crate::{DataError, open_regular};
use sha2::{Digest, Sha256};
use std::io::Read;
use std::path::Path;

/// Fewer bytes can be guessed.
const SHORTEST: usize = 32;
/// More bytes are another kind of file.
const LONGEST: u64 = 1 << 16;
/// Fewer different bytes are not drawn at random: of 32 random ones, 30 are different on average.
const FEWEST_DIFFERENT: usize = 8;
/// The block of SHA-256.
const BLOCK: usize = 64;

/// A secret, and HMAC-SHA-256 (RFC 2104) with it.
#[derive(Clone)]
pub(super) struct Key([u8; BLOCK]);

impl Key {
    /// The content of a file, all of it.
    ///
    /// # Errors
    /// [`DataError::Unreadable`], or [`DataError::Input`] for a file that is no good secret.
    pub(super) fn read(path: &Path) -> Result<Self, DataError> {
        let mut bytes = Vec::new();
        open_regular(path)
            .and_then(|file| file.take(LONGEST + 1).read_to_end(&mut bytes))
            .map_err(|source| DataError::unreadable(path, source))?;
        let different = (0..=u8::MAX).filter(|byte| bytes.contains(byte)).count();
        let what = match () {
            () if bytes.len() < SHORTEST => format!("has {} bytes, too few for a key", bytes.len()),
            () if bytes.len() as u64 > LONGEST => "is too long for a key".to_owned(),
            () if different < FEWEST_DIFFERENT => "is not a key: it is not random".to_owned(),
            () => return Ok(Self::new(&bytes)),
        };
        Err(DataError::input(
            path,
            what,
            format!("make one with: head -c 32 /dev/urandom > {}", path.display()),
        ))
    }

    pub(super) fn new(secret: &[u8]) -> Self {
        let mut block = [0; BLOCK];
        match secret.len() {
            0..=BLOCK => block[..secret.len()].copy_from_slice(secret),
            _ => block[..32].copy_from_slice(&Sha256::digest(secret)),
        }
        Self(block)
    }

    /// The code of a message of this kind.
    pub(super) fn code(&self, kind: &str, message: &str) -> [u8; 32] {
        self.hmac(&[kind.as_bytes(), &[0], message.as_bytes()].concat())
    }

    fn hmac(&self, message: &[u8]) -> [u8; 32] {
        let padded = |with: u8| Sha256::new_with_prefix(self.0.map(|byte| byte ^ with));
        let inner = padded(0x36).chain_update(message).finalize();
        padded(0x5c).chain_update(inner).finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers() {
        // RFC 4231, 4.3 and 4.7.
        let hex = |bytes: [u8; 32]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let short = hex(Key::new(b"Jefe").hmac(b"what do ya want for nothing?"));
        assert_eq!(short, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        let long =
            hex(Key::new(&[0xaa; 131]).hmac(b"Test Using Larger Than Block-Size Key - Hash Key First"));
        assert_eq!(long, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    }

    #[test]
    fn what_can_be_guessed_is_no_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let message = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            Key::read(&path).err().map_or_else(String::new, |error| error.to_string())
        };
        assert!(message(b"secret").contains("6 bytes") && message(b"").contains("0 bytes"));
        assert!(message(&[7; 40]).contains("not random"));
        assert!(message(&vec![7; 1 << 17]).contains("too long"));
        assert_eq!(message(&(0..32).collect::<Vec<u8>>()), "");
        assert!(Key::read(folder.path()).is_err());
    }
}
