//! Where a tensor's numbers lie, and reading them.

use super::element::Element;
use super::fault::{Outcome, fault};
use flate2::Crc;
use flate2::read::DeflateDecoder;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;

/// Most axes that a tensor may have.
pub(super) const MAX_RANK: usize = 8;

/// A run of bytes that belongs to a storage.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Piece {
    /// Bytes of the file, from `start`; the checksum is of all of them.
    Plain { start: u64, bytes: u64, crc: Option<u32> },
    /// `packed` bytes of the file that are `bytes` when inflated.
    Deflated { start: u64, packed: u64, bytes: u64 },
    /// Bytes that stood among the values.
    Held(Arc<[u8]>),
}

impl Piece {
    fn bytes(&self) -> u64 {
        match self {
            Self::Plain { bytes, .. } | Self::Deflated { bytes, .. } => *bytes,
            Self::Held(bytes) => bytes.len() as u64,
        }
    }
}

/// A run of numbers that tensors are views of.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Storage {
    /// Its name in the file.
    pub(super) key: String,
    /// The kind of numbers.
    pub(super) element: Element,
    /// How many numbers.
    pub(super) count: u64,
    /// The first of its numbers within the bytes: above zero for a view of a larger storage.
    pub(super) first: u64,
    /// Where the bytes lie; none as long as that is not known.
    pub(super) pieces: Vec<Piece>,
}

/// A tensor as it is stored: nothing is read before it is asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredTensor {
    pub(super) element: Element,
    pub(super) shape: Vec<usize>,
    pub(super) strides: Vec<usize>,
    pub(super) offset: u64,
    pub(super) storage: u32,
}

impl StoredTensor {
    /// The number format.
    pub fn element(&self) -> Element {
        self.element
    }

    /// The shape, outermost axis first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Numbers from one entry of an axis to the next.
    pub fn strides(&self) -> &[usize] {
        &self.strides
    }

    /// A tensor that fills a storage from number `offset` on, the last axis fastest.
    pub(super) fn contiguous(
        element: Element,
        shape: Vec<usize>,
        offset: u64,
        storage: u32,
    ) -> Outcome<Self> {
        let mut strides = vec![1; shape.len()];
        for axis in (1..shape.len()).rev() {
            let Some(stride) = shape[axis].checked_mul(strides[axis]) else {
                return fault(format!("holds a tensor of impossible shape {shape:?}"));
            };
            strides[axis - 1] = stride;
        }
        Ok(Self { element, shape, strides, offset, storage })
    }

    /// The same numbers with the axes in another order: axis `i` is the old axis `order[i]`.
    pub(super) fn permuted(&self, order: &[usize]) -> Self {
        let pick = |values: &[usize]| order.iter().map(|&axis| values[axis]).collect();
        Self { shape: pick(&self.shape), strides: pick(&self.strides), ..self.clone() }
    }

    /// How many numbers, or none when they cannot be counted.
    pub(super) fn count(&self) -> Option<usize> {
        self.shape.iter().try_fold(1_usize, |product, &n| product.checked_mul(n))
    }

    /// How many numbers of the storage it spans, or none when they cannot be counted.
    pub(super) fn span(&self) -> Option<u64> {
        if self.shape.contains(&0) {
            return Some(0);
        }
        let far = self.shape.iter().zip(&self.strides).try_fold(0_u64, |far, (&n, &stride)| {
            far.checked_add((n as u64 - 1).checked_mul(stride as u64)?)
        });
        far?.checked_add(1)
    }

    /// Refuses what cannot be: too many axes, overflow, numbers outside of `storage`.
    pub(super) fn check(&self, storage: &Storage) -> Outcome<()> {
        if self.shape.len() > MAX_RANK || self.shape.len() != self.strides.len() {
            return fault(format!(
                "holds a tensor with {} axes and {} strides",
                self.shape.len(),
                self.strides.len()
            ));
        }
        let end = self.span().and_then(|span| span.checked_add(self.offset));
        match (self.count(), end) {
            (Some(_), Some(end)) if end <= storage.count => Ok(()),
            _ => fault(format!(
                "holds a tensor of shape {:?} that lies outside of its storage {} of {} numbers",
                self.shape, storage.key, storage.count
            )),
        }
    }

    fn is_contiguous(&self) -> bool {
        let mut expected = 1;
        self.shape.iter().zip(&self.strides).rev().all(|(&n, &stride)| {
            let fits = n == 1 || stride == expected;
            expected *= n;
            fits
        })
    }

    /// The numbers, the last axis fastest, in single precision.
    ///
    /// The caller has compared the shape with what it needs; memory is that of the numbers, and of the bytes that
    /// they span in the file.
    pub(super) fn read(&self, storage: &Storage, file: &File) -> Outcome<Vec<f32>> {
        self.check(storage)?;
        let size = self.element.size() as u64;
        let span = self.span().unwrap_or(0);
        if span == 0 {
            return Ok(Vec::new());
        }
        let first = storage.first.checked_add(self.offset).and_then(|first| first.checked_mul(size));
        let Some((start, length)) = first.zip(span.checked_mul(size)) else {
            return fault("holds a tensor at an impossible position");
        };
        if !self.is_contiguous() && storage.pieces.iter().any(|p| matches!(p, Piece::Deflated { .. })) {
            return fault("holds a compressed tensor that is not contiguous");
        }
        let bytes = storage.read(start, length, file)?;
        let mut values = Vec::with_capacity(self.count().unwrap_or(0));
        if self.is_contiguous() {
            self.element.append(&bytes, &mut values)?;
        } else {
            self.gather(&bytes, &mut values)?;
        }
        Ok(values)
    }

    /// Takes the numbers of a tensor that is not contiguous in their order.
    fn gather(&self, bytes: &[u8], values: &mut Vec<f32>) -> Outcome<()> {
        let size = self.element.size();
        let mut index = vec![0; self.shape.len()];
        for _ in 0..self.count().unwrap_or(0) {
            let at: usize = index.iter().zip(&self.strides).map(|(i, stride)| i * stride).sum();
            self.element.append(&bytes[at * size..(at + 1) * size], values)?;
            for (i, n) in index.iter_mut().zip(&self.shape).rev() {
                *i += 1;
                if *i < *n {
                    break;
                }
                *i = 0;
            }
        }
        Ok(())
    }
}

impl Storage {
    /// `length` bytes from byte `start` on.
    fn read(&self, start: u64, length: u64, file: &File) -> Outcome<Vec<u8>> {
        let there: u64 = self.pieces.iter().map(Piece::bytes).sum();
        if start.checked_add(length).is_none_or(|end| end > there) {
            return fault(format!("is cut short: storage {} holds {there} bytes", self.key));
        }
        let mut bytes = Vec::new();
        let mut skip = start;
        for piece in &self.pieces {
            let wanted = (length - bytes.len() as u64).min(piece.bytes().saturating_sub(skip));
            if wanted > 0 {
                self.read_piece(piece, skip, wanted, file, &mut bytes)?;
            }
            skip = skip.saturating_sub(piece.bytes());
        }
        if bytes.len() as u64 == length { Ok(bytes) } else { fault("is cut short") }
    }

    fn read_piece(
        &self,
        piece: &Piece,
        skip: u64,
        wanted: u64,
        file: &File,
        bytes: &mut Vec<u8>,
    ) -> Outcome<()> {
        let before = bytes.len();
        let mut file = file;
        match piece {
            Piece::Plain { start, bytes: whole, crc } => {
                file.seek(SeekFrom::Start(start + skip))?;
                file.take(wanted).read_to_end(bytes)?;
                match crc {
                    Some(crc) if wanted == *whole => self.compare(*crc, &bytes[before..])?,
                    _ => {}
                }
            }
            Piece::Deflated { start, packed, .. } => {
                file.seek(SeekFrom::Start(*start))?;
                let mut inflated = DeflateDecoder::new(file.take(*packed));
                io::copy(&mut inflated.by_ref().take(skip), &mut io::sink())?;
                inflated.take(wanted).read_to_end(bytes)?;
            }
            Piece::Held(held) => bytes.extend_from_slice(&held[skip as usize..(skip + wanted) as usize]),
        }
        Ok(())
    }

    fn compare(&self, crc: u32, bytes: &[u8]) -> Outcome<()> {
        let mut found = Crc::new();
        found.update(bytes);
        if found.sum() == crc {
            return Ok(());
        }
        fault(format!("is damaged: the checksum of storage {} is wrong", self.key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn storage(values: &[f32]) -> Storage {
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let (a, b) = bytes.split_at(6);
        let pieces = vec![Piece::Held(a.into()), Piece::Held(b.into())];
        let count = values.len() as u64;
        Storage { key: "0".into(), element: Element::F32, count, first: 0, pieces }
    }

    fn view(shape: &[usize], strides: &[usize], offset: u64) -> StoredTensor {
        let (shape, strides) = (shape.to_vec(), strides.to_vec());
        StoredTensor { element: Element::F32, shape, strides, offset, storage: 0 }
    }

    #[test]
    fn views_of_every_kind_give_their_numbers_in_order() {
        let file = tempfile::tempfile().unwrap();
        let storage = storage(&[0., 1., 2., 3., 4., 5., 6.]);
        let read = |t: &StoredTensor| t.read(&storage, &file).unwrap();
        assert_eq!(read(&view(&[2, 3], &[3, 1], 1)), [1., 2., 3., 4., 5., 6.]);
        assert_eq!(read(&view(&[2, 3], &[3, 1], 1).permuted(&[1, 0])), [1., 4., 2., 5., 3., 6.]);
        assert_eq!(read(&view(&[3], &[2], 2)), [2., 4., 6.]);
        assert_eq!(read(&view(&[2, 2], &[0, 1], 3)), [3., 4., 3., 4.]);
        assert_eq!(read(&view(&[], &[], 4)), [4.]);
        assert!(read(&view(&[0, 5], &[5, 1], 7)).is_empty());
    }

    #[test]
    fn impossible_views_are_refused() {
        let file = tempfile::tempfile().unwrap();
        let storage = storage(&[0.; 4]);
        for bad in [
            view(&[5], &[1], 0),
            view(&[1], &[1], 4),
            view(&[1], &[1], u64::MAX),
            view(&[2, 2], &[usize::MAX, 1], 0),
            view(&[usize::MAX, usize::MAX], &[0, 0], 0),
            view(&[1; 9], &[1; 9], 0),
            view(&[1], &[], 0),
        ] {
            assert!(bad.read(&storage, &file).is_err(), "{bad:?}");
        }
        let lying = Storage { count: 100, ..storage };
        assert!(view(&[50], &[1], 0).read(&lying, &file).unwrap_err().0.contains("cut short"));
    }
}
