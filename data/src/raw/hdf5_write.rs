//! Images to HDF5 in the layout of fastMRI's submissions: one data set `reconstruction`, (slice, row, col), 32-bit floats.
//!
//! Version 0 of the format (HDF5 File Format Specification 3.0, sections II.A, III.A, III.D and IV.A), which every library
//! reads: a superblock, a group of one member, and its values in one piece.

use crate::{DataError, Overwrite, atomic};
use ndarray::Array2;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

const NAME: &[u8] = b"reconstruction\0\0";
const UNDEFINED: u64 = u64::MAX;
/// Members that a leaf of the group may have, halved; and children that a node of its tree may have, halved.
const LEAF: usize = 4;
const NODE: usize = 16;

/// Where things lie.
const ROOT: u64 = 96;
const TREE: u64 = ROOT + 40;
const TREE_BYTES: usize = 24 + 2 * NODE * 8 + (2 * NODE + 1) * 8;
const HEAP: u64 = TREE + TREE_BYTES as u64;
const HEAP_DATA: u64 = HEAP + 32;
const HEAP_BYTES: usize = 8 + NAME.len();
const SYMBOLS: u64 = HEAP_DATA + HEAP_BYTES as u64;
const SYMBOL_BYTES: usize = 8 + 2 * LEAF * 40;
const DATASET: u64 = SYMBOLS + SYMBOL_BYTES as u64;
/// Where the values begin; the header of the data set ends before.
const VALUES: u64 = 2048;

/// Slice `k` of images, (row, col).
type ImageOf<'a> = &'a dyn Fn(usize) -> Result<Array2<f32>, DataError>;

/// Writes images (slice, row, col) as the data set `reconstruction` of an HDF5 file, slice after slice.
///
/// # Errors
/// [`DataError::Exists`], [`DataError::Io`], [`DataError::Output`] for values that are not finite and slices that differ in
/// shape, and whatever an image ends with.
pub fn write_reconstruction(
    path: &Path,
    shape: [usize; 3],
    image: ImageOf<'_>,
    overwrite: Overwrite,
) -> Result<(), DataError> {
    let failed = |source| DataError::io(path, source);
    let count = shape.iter().try_fold(4_u64, |bytes, &n| bytes.checked_mul(n as u64));
    let Some(bytes) = count.filter(|&bytes| (1..1 << 60).contains(&bytes)) else {
        let what = format!("HDF5 cannot hold the shape {shape:?}");
        return Err(DataError::output(path, what, "write at least one voxel"));
    };
    atomic::write_with(path, overwrite, |temporary| {
        let mut file = BufWriter::new(File::create(temporary).map_err(failed)?);
        file.write_all(&head(shape, bytes)).map_err(failed)?;
        for k in 0..shape[0] {
            let image = image(k)?;
            if image.shape() != &shape[1..] || image.iter().any(|value| !value.is_finite()) {
                let what = format!("slice {k} has another shape, or values that are not finite");
                return Err(DataError::output(path, what, "write such images to .npy"));
            }
            image.iter().try_for_each(|value| file.write_all(&value.to_le_bytes())).map_err(failed)?;
        }
        file.flush().map_err(failed)
    })
}

/// All that stands before the values.
fn head(shape: [usize; 3], bytes: u64) -> Vec<u8> {
    let mut file = Bytes::default();
    file.raw(b"\x89HDF\r\n\x1a\n").raw(&[0, 0, 0, 0, 0, 8, 8, 0]);
    file.u16(LEAF as u16).u16(NODE as u16).raw(&[0; 4]);
    file.u64(0).u64(UNDEFINED).u64(VALUES + bytes).u64(UNDEFINED);
    file.u64(0).u64(ROOT).raw(&[1, 0, 0, 0, 0, 0, 0, 0]).u64(TREE).u64(HEAP);
    file.object(ROOT, &[(0x11, group_message())]);
    file.at(TREE).raw(b"TREE\0\0").u16(1).u64(UNDEFINED).u64(UNDEFINED).u64(0).u64(SYMBOLS).u64(8);
    file.at(HEAP).raw(b"HEAP\0\0\0\0").u64(HEAP_BYTES as u64).u64(1).u64(HEAP_DATA);
    file.at(HEAP_DATA).u64(0).raw(NAME);
    file.at(SYMBOLS).raw(b"SNOD\x01\0").u16(1).u64(8).u64(DATASET);
    let messages = [
        (0x01, space_message(shape)),
        (0x03, float_message()),
        // Space is taken at once, and nothing is filled in.
        (0x05, vec![2, 1, 1, 0, 0, 0, 0, 0]),
        (0x08, layout_message(bytes)),
    ];
    file.object(DATASET, &messages);
    file.at(VALUES);
    file.0
}

fn group_message() -> Vec<u8> {
    [TREE.to_le_bytes(), HEAP.to_le_bytes()].concat()
}

fn space_message(shape: [usize; 3]) -> Vec<u8> {
    let mut message = vec![1, 3, 0, 0, 0, 0, 0, 0];
    message.extend(shape.iter().flat_map(|&length| (length as u64).to_le_bytes()));
    message
}

/// IEEE 754, 32 bits, little-endian: sign at bit 31, exponent of 8 bits at 23 with bias 127, mantissa of 23 bits at 0.
fn float_message() -> Vec<u8> {
    let mut message = vec![0x11, 0x20, 31, 0, 4, 0, 0, 0, 0, 0, 32, 0, 23, 8, 0, 23];
    message.extend(127_u32.to_le_bytes());
    message.resize(24, 0);
    message
}

/// In one piece.
fn layout_message(bytes: u64) -> Vec<u8> {
    let mut message = vec![3, 1];
    message.extend(VALUES.to_le_bytes());
    message.extend(bytes.to_le_bytes());
    message.resize(24, 0);
    message
}

/// A file in the making.
#[derive(Default)]
struct Bytes(Vec<u8>);

impl Bytes {
    fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend(bytes);
        self
    }

    fn u16(&mut self, number: u16) -> &mut Self {
        self.raw(&number.to_le_bytes())
    }

    fn u64(&mut self, number: u64) -> &mut Self {
        self.raw(&number.to_le_bytes())
    }

    /// Goes to an address that lies ahead.
    fn at(&mut self, address: u64) -> &mut Self {
        debug_assert!(self.0.len() as u64 <= address, "{address} is behind {}", self.0.len());
        self.0.resize(address as usize, 0);
        self
    }

    /// The header of an object, version 1, of messages whose lengths are multiples of eight.
    fn object(&mut self, address: u64, messages: &[(u16, Vec<u8>)]) {
        let length: usize = messages.iter().map(|(_, message)| 8 + message.len()).sum();
        self.at(address).raw(&[1, 0]).u16(messages.len() as u16).raw(&1_u32.to_le_bytes());
        self.raw(&(length as u32).to_le_bytes()).raw(&[0; 4]);
        for (kind, message) in messages {
            self.u16(*kind).u16(message.len() as u16).raw(&[0; 4]).raw(message);
        }
    }
}
