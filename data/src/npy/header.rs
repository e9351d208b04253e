//! The header of a `.npy` file: magic, version, and a Python dictionary of type, order and shape.

use super::MAGIC;
use crate::DataError;
use std::io::Read;
use std::path::Path;

/// Longer headers belong to structured types, which are not read.
const LONGEST_HEADER: usize = 1 << 16;
const MOST_AXES: usize = 4;

/// The kind and size of one element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Element {
    Bool,
    Int8,
    UInt8,
    Int16,
    UInt16,
    Int32,
    UInt32,
    Int64,
    UInt64,
    Float16,
    Float32,
    Float64,
    Complex64,
    Complex128,
}

impl Element {
    fn parse(code: &str) -> Option<Self> {
        Some(match code {
            "b1" => Self::Bool,
            "i1" => Self::Int8,
            "u1" => Self::UInt8,
            "i2" => Self::Int16,
            "u2" => Self::UInt16,
            "i4" => Self::Int32,
            "u4" => Self::UInt32,
            "i8" => Self::Int64,
            "u8" => Self::UInt64,
            "f2" => Self::Float16,
            "f4" => Self::Float32,
            "f8" => Self::Float64,
            "c8" => Self::Complex64,
            "c16" => Self::Complex128,
            _ => return None,
        })
    }

    /// Bytes an element.
    pub(super) fn size(self) -> usize {
        match self {
            Self::Bool | Self::Int8 | Self::UInt8 => 1,
            Self::Int16 | Self::UInt16 | Self::Float16 => 2,
            Self::Int32 | Self::UInt32 | Self::Float32 => 4,
            Self::Int64 | Self::UInt64 | Self::Float64 | Self::Complex64 => 8,
            Self::Complex128 => 16,
        }
    }

    pub(super) fn is_complex(self) -> bool {
        matches!(self, Self::Complex64 | Self::Complex128)
    }
}

/// What stands before the values.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) descr: String,
    pub(super) element: Element,
    pub(super) big_endian: bool,
    pub(super) fortran_order: bool,
    pub(super) shape: Vec<usize>,
    pub(super) data_offset: u64,
}

impl Header {
    pub(super) fn read(path: &Path, file: &mut impl Read) -> Result<Self, DataError> {
        let damaged = |what: &str| {
            DataError::input(
                path,
                format!("is not a readable .npy file ({what})"),
                "save it again with numpy.save",
            )
        };
        let mut start = [0; 8];
        file.read_exact(&mut start).map_err(|_| damaged("the header is cut short"))?;
        if &start[..6] != MAGIC {
            return Err(damaged("it does not start as one"));
        }
        let mut size = vec![0; if start[6] == 1 { 2 } else { 4 }];
        file.read_exact(&mut size).map_err(|_| damaged("the header is cut short"))?;
        let length = size.iter().rev().fold(0usize, |sum, &byte| sum << 8 | usize::from(byte));
        if !(1..=3).contains(&start[6]) || length > LONGEST_HEADER {
            return Err(damaged("unknown version or structured type"));
        }
        let mut text = vec![0; length];
        file.read_exact(&mut text).map_err(|_| damaged("the header is cut short"))?;
        let text = String::from_utf8_lossy(&text).into_owned();
        let data_offset = (8 + size.len() + length) as u64;
        Self::parse(&text, data_offset).map_err(|what| damaged(&what))?.checked(path)
    }

    fn parse(text: &str, data_offset: u64) -> Result<Self, String> {
        let value = |key: &str| {
            let after = text.split_once(&format!("'{key}':"))?.1.trim_start();
            Some(after)
        };
        let quoted = value("descr").ok_or("the header names no type")?;
        let descr = quoted.strip_prefix('\'').and_then(|rest| rest.split_once('\'')).map(|(name, _)| name);
        let descr = descr.ok_or("structured types are not supported")?.to_owned();
        let (order, code) = match descr.split_at_checked(1) {
            Some((order @ ("<" | ">" | "|" | "="), code)) => (order, code),
            _ => ("=", descr.as_str()),
        };
        let element = Element::parse(code).ok_or_else(|| format!("type {descr} is not numeric"))?;
        let big_endian = order == ">" || (order == "=" && cfg!(target_endian = "big"));
        let fortran_order = value("fortran_order").ok_or("the header names no order")?.starts_with("True");
        let shape = value("shape").and_then(parse_shape).ok_or("the header names no shape")?;
        Ok(Self { element, big_endian, fortran_order, shape, data_offset, descr })
    }

    fn checked(self, path: &Path) -> Result<Self, DataError> {
        if self.shape.len() > MOST_AXES {
            let what = format!("has {} axes, more than {MOST_AXES}", self.shape.len());
            return Err(DataError::input(path, what, "select one image, volume or k-space"));
        }
        if self.shape.contains(&0) {
            let what = format!("has no elements (shape {:?})", self.shape);
            return Err(DataError::input(path, what, "save a non-empty array"));
        }
        Ok(self)
    }

    /// Bytes of all elements.
    pub(super) fn byte_count(&self, path: &Path) -> Result<u64, DataError> {
        let count =
            self.shape.iter().try_fold(self.element.size() as u64, |sum, &n| sum.checked_mul(n as u64));
        count.filter(|&count| count < 1 << 46).ok_or_else(|| {
            DataError::input(
                path,
                format!("is too large (shape {:?})", self.shape),
                "split it, or save it again",
            )
        })
    }
}

/// The numbers of `(2, 3), …`.
fn parse_shape(text: &str) -> Option<Vec<usize>> {
    let inside = text.strip_prefix('(')?.split_once(')')?.0;
    let parts = inside.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts.map(|part| part.trim_end_matches('L').parse().ok()).collect()
}
