//! Reading bytes with a limit.

use super::fault::{Outcome, fault};
use std::io::Read;

/// Little-endian numbers and runs of bytes from a stream, never more than a limit.
pub(super) struct Input<R> {
    reader: R,
    position: u64,
    end: u64,
}

impl<R: Read> Input<R> {
    /// Reads from `reader`, whose first byte is number `position`, and refuses to go past byte `end`.
    pub(super) fn new(reader: R, position: u64, end: u64) -> Self {
        Self { reader, position, end }
    }

    /// The number of the next byte.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// How many bytes may still be read.
    pub(super) fn left(&self) -> u64 {
        self.end.saturating_sub(self.position)
    }

    /// The stream itself; whoever moves it says so to [`Self::moved`].
    pub(super) fn reader(&mut self) -> &mut R {
        &mut self.reader
    }

    /// `count` bytes were passed over.
    pub(super) fn moved(&mut self, count: u64) {
        self.position += count;
    }

    fn claim(&mut self, count: u64) -> Outcome<()> {
        if count > self.left() {
            return fault(format!(
                "is cut short or damaged: {count} more bytes are announced than there are"
            ));
        }
        self.position += count;
        Ok(())
    }

    /// The next `N` bytes.
    pub(super) fn array<const N: usize>(&mut self) -> Outcome<[u8; N]> {
        if N as u64 > self.left() {
            return fault("is cut short");
        }
        self.position += N as u64;
        let mut bytes = [0; N];
        self.reader.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// The next byte.
    pub(super) fn byte(&mut self) -> Outcome<u8> {
        self.array().map(|[byte]| byte)
    }

    /// The next `count` bytes; memory grows only with what is really there.
    pub(super) fn bytes(&mut self, count: u64) -> Outcome<Vec<u8>> {
        self.claim(count)?;
        let mut bytes = Vec::new();
        self.reader.by_ref().take(count).read_to_end(&mut bytes)?;
        if (bytes.len() as u64) < count {
            return fault("is cut short");
        }
        Ok(bytes)
    }

    /// The next `count` bytes as UTF-8 text.
    pub(super) fn text(&mut self, count: u64) -> Outcome<String> {
        let bytes = self.bytes(count)?;
        String::from_utf8(bytes).or_else(|_| fault("holds text that is not UTF-8"))
    }

    /// Text up to the end of the line, at most `limit` bytes.
    pub(super) fn line(&mut self, limit: usize) -> Outcome<String> {
        let mut bytes = Vec::new();
        loop {
            match self.byte()? {
                b'\n' => break,
                _ if bytes.len() == limit => return fault("holds a name of impossible length"),
                byte => bytes.push(byte),
            }
        }
        String::from_utf8(bytes).or_else(|_| fault("holds a name that is not UTF-8"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_read_past_the_end() {
        let mut input = Input::new(&b"ab\ncdef"[..], 0, 5);
        assert_eq!(input.line(10).unwrap(), "ab");
        assert_eq!(input.position(), 3);
        assert!(input.bytes(u64::MAX).unwrap_err().0.contains("cut short"));
        assert_eq!(input.bytes(2).unwrap(), b"cd");
        assert!(input.byte().is_err());
    }

    #[test]
    fn a_stream_that_ends_early_is_cut_short() {
        let mut input = Input::new(&b"abc"[..], 0, 100);
        assert_eq!(input.bytes(50).unwrap_err().0, "is cut short");
        let mut input = Input::new(&b"abc"[..], 0, 100);
        assert!(input.line(2).unwrap_err().0.contains("impossible length"));
    }
}
