//! What compressed pixels say of their own size, before a decoder believes it.

/// Segments of a run-length encoded image: one a byte of a pixel, and at most 15.
const MOST_SEGMENTS: u32 = 15;
/// Bytes of the header of a run-length encoded image.
const RLE_HEADER: usize = 64;

/// Refuses compressed pixels, of one fragment or of all fragments of an image one after another, that claim another size
/// than `rows` × `columns`, as the decoders take memory by what they claim.
///
/// # Errors
/// Says what is wrong.
pub(super) fn check(bytes: &[u8], rows: usize, columns: usize) -> Result<(), String> {
    match size(bytes)? {
        Some(found) if found != (rows, columns) => {
            Err(format!("the pixels are {} x {}, not {rows} x {columns}", found.0, found.1))
        }
        _ => Ok(()),
    }
}

/// Refuses a run-length encoded image whose header points outside.
///
/// # Errors
/// Says what is wrong.
pub(super) fn check_run_length(bytes: &[u8]) -> Result<(), String> {
    let (words, _) = bytes.get(..RLE_HEADER).ok_or("the header is cut short")?.as_chunks::<4>();
    let segments = u32::from_le_bytes(words[0]);
    if !(1..=MOST_SEGMENTS).contains(&segments) {
        return Err(format!("{segments} segments are claimed"));
    }
    let mut last = RLE_HEADER as u32;
    for word in &words[1..=segments as usize] {
        let offset = u32::from_le_bytes(*word);
        if offset < last || offset as usize > bytes.len() {
            return Err("a segment lies outside".to_owned());
        }
        last = offset;
    }
    Ok(())
}

/// Rows and columns in the header of a JPEG, JPEG-LS or JPEG 2000 stream; none where it is none of them.
fn size(bytes: &[u8]) -> Result<Option<(usize, usize)>, String> {
    if bytes.starts_with(&[0xff, 0x4f, 0xff, 0x51]) {
        return size_of_jpeg_2000(bytes).map(Some);
    }
    if bytes.starts_with(&[0xff, 0xd8]) {
        return size_of_jpeg(bytes).map(Some);
    }
    Ok(None)
}

/// The marker SIZ (ISO 15444-1, A.5.1): the image area, its tiles and its components.
fn size_of_jpeg_2000(bytes: &[u8]) -> Result<(usize, usize), String> {
    let word = |at: usize| bytes.get(at..at + 4).and_then(|word| word.first_chunk()).copied();
    let number = |at: usize| word(at).map(u32::from_be_bytes).ok_or("the header is cut short");
    let [right, bottom, left, top] = [number(8)?, number(12)?, number(16)?, number(20)?];
    let [tile_width, tile_height, tile_left, tile_top] = [number(24)?, number(28)?, number(32)?, number(36)?];
    let components = bytes.get(40..42).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
    if components != Some(1) {
        return Err("the pixels are not grey".to_owned());
    }
    let (width, height) = (right.saturating_sub(left), bottom.saturating_sub(top));
    let tiles = |from: u32, to: u32, side: u32| u64::from(to.saturating_sub(from).div_ceil(side.max(1)));
    let count = tiles(tile_left, right, tile_width) * tiles(tile_top, bottom, tile_height);
    // The numbers of tiles are of 16 bits.
    if tile_width == 0 || tile_height == 0 || tile_left > left || tile_top > top || count > 65_535 {
        return Err("the tiles make no sense".to_owned());
    }
    Ok((height as usize, width as usize))
}

/// The first frame header (ISO 10918-1, B.2.2; ISO 14495-1, C.2.2).
fn size_of_jpeg(bytes: &[u8]) -> Result<(usize, usize), String> {
    let pair = |at: usize| bytes.get(at..at + 2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
    let cut = || "the header is cut short".to_owned();
    let mut at = 2;
    loop {
        let marker = pair(at).ok_or_else(cut)?;
        match marker {
            // Frames of all kinds; C4, C8 and CC are tables. F7 is JPEG-LS.
            0xffc0..=0xffc3 | 0xffc5..=0xffc7 | 0xffc9..=0xffcb | 0xffcd..=0xffcf | 0xfff7 => {
                let [rows, columns] = [pair(at + 5).ok_or_else(cut)?, pair(at + 7).ok_or_else(cut)?];
                return Ok((usize::from(rows), usize::from(columns)));
            }
            0xffff => at += 1,
            0xff01 | 0xffd0..=0xffd8 => at += 2,
            0xff02..=0xfffe => at += 2 + usize::from(pair(at + 2).ok_or_else(cut)?),
            _ => return Err("no frame begins".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jpeg_2000(width: u32, height: u32, tile: u32) -> Vec<u8> {
        let mut bytes = b"\xff\x4f\xff\x51\0\x29\0\0".to_vec();
        for number in [width, height, 0, 0, tile, tile, 0, 0] {
            bytes.extend(number.to_be_bytes());
        }
        bytes.extend([0, 1, 11, 1, 1]);
        bytes
    }

    #[test]
    fn another_size_than_that_of_the_image_is_refused() {
        assert_eq!(check(&jpeg_2000(64, 48, 64), 48, 64), Ok(()));
        assert!(check(&jpeg_2000(0x7fff_ffff, 0x7fff_ffff, 0x7fff_ffff), 48, 64).is_err());
        assert!(check(&jpeg_2000(64, 48, 0), 48, 64).is_err());
        assert!(check(&jpeg_2000(4096, 4096, 1), 4096, 4096).is_err(), "a tile a pixel");
        assert!(check(&jpeg_2000(64, 48, 64)[..30], 48, 64).is_err());
        let jpeg = b"\xff\xd8\xff\xe0\0\x04AB\xff\xff\xc3\0\x0b\x0c\0\x30\0\x40\x01\x01\x11\0";
        assert_eq!(check(jpeg, 48, 64), Ok(()));
        assert!(check(jpeg, 64, 48).is_err());
        let lossless = b"\xff\xd8\xff\xf7\0\x0b\x0c\xff\xff\xff\xff\x01\x01\x11\0";
        assert!(check(lossless, 48, 64).is_err());
        assert!(check(b"\xff\xd8\xff\xe0\0\x04", 48, 64).is_err());
        assert_eq!(check(b"", 48, 64), Ok(()));
    }

    #[test]
    fn run_lengths_point_into_their_image() {
        let header = |numbers: &[u32]| {
            let mut bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
            bytes.resize(80, 0);
            bytes
        };
        assert_eq!(check_run_length(&header(&[2, 64, 70])), Ok(()));
        for wrong in [&[0, 64][..], &[16, 64], &[u32::MAX, 64], &[2, 64, 90], &[2, 70, 64], &[1, 8]] {
            assert!(check_run_length(&header(wrong)).is_err(), "{wrong:?}");
        }
        assert!(check_run_length(&[1, 0, 0, 0]).is_err());
    }
}
