//! LZF, the fast compression of h5py: literal runs and copies of what came before (Lehmann's LibLZF 3).

/// What `data` unpacks to, if that is at most `most` bytes and makes sense.
pub(super) fn unpack(data: &[u8], most: usize) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut input = data.iter().copied();
    while let Some(control) = input.next() {
        let control = usize::from(control);
        if control < 32 {
            // A run of bytes as they are.
            let before = out.len();
            out.extend(input.by_ref().take(control + 1));
            if out.len() != before + control + 1 {
                return None;
            }
        } else {
            // A copy: three bits of length, thirteen of distance.
            let mut length = control >> 5;
            if length == 7 {
                length += usize::from(input.next()?);
            }
            let distance = ((control & 31) << 8) + usize::from(input.next()?) + 1;
            let start = out.len().checked_sub(distance)?;
            for at in start..start + length + 2 {
                out.push(*out.get(at)?);
            }
        }
        if out.len() > most {
            return None;
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_and_copies() {
        // "abc", then nine bytes from three back.
        assert_eq!(unpack(b"\x02abc\xe0\x00\x02", 12).unwrap(), b"abcabcabcabc");
        assert_eq!(unpack(b"\x02abc\x20\x02", 100).unwrap(), b"abcabc");
        assert!(unpack(b"\x02abc\xe0\x00\x02", 11).is_none());
        assert!(unpack(b"\x02abc\x20\x03", 100).is_none(), "a copy from before the start");
        assert!(unpack(b"\x05ab", 100).is_none(), "a run that ends early");
    }
}
