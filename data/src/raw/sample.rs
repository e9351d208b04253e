//! Elements of HDF5 data sets that are read here: complex samples, and records that are looked into later.

use hdf5_reader::error::{ByteOrder, Error, Result};
use hdf5_reader::{CompoundField, Datatype, H5Type, dtype_element_size};
use num_complex::Complex32;

/// A complex number: a compound of two floats, real part first, whatever their names ({r, i} in h5py, {real, imag} in
/// ISMRMRD).
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub(super) struct Sample(pub(super) Complex32);

/// Whether a data set holds complex numbers.
pub(super) fn is_complex(dtype: &Datatype) -> bool {
    parts(dtype).is_some()
}

/// Place and type of the real and of the imaginary part: floats of one size.
fn parts(dtype: &Datatype) -> Option<[(usize, u8, ByteOrder); 2]> {
    let Datatype::Compound { size, fields } = dtype else { return None };
    let [re, im] = fields.as_slice() else { return None };
    let part = |field: &CompoundField| match field.datatype {
        Datatype::FloatingPoint { size: bytes @ (4 | 8), byte_order } => {
            let end = u64::from(field.byte_offset) + u64::from(bytes);
            (end <= u64::from(*size)).then_some((field.byte_offset as usize, bytes, byte_order))
        }
        _ => None,
    };
    let parts = [part(re)?, part(im)?];
    (parts[0].0 < parts[1].0).then_some(parts)
}

fn float(bytes: &[u8], (at, size, order): (usize, u8, ByteOrder)) -> Option<f32> {
    let turned = |mut raw: Vec<u8>| {
        if order == ByteOrder::BigEndian {
            raw.reverse();
        }
        raw
    };
    let raw = turned(bytes.get(at..at + usize::from(size))?.to_vec());
    match size {
        4 => Some(f32::from_le_bytes(raw.try_into().ok()?)),
        _ => Some(f64::from_le_bytes(raw.try_into().ok()?) as f32),
    }
}

impl H5Type for Sample {
    fn hdf5_type() -> Datatype {
        let part = |name: &str, byte_offset| CompoundField {
            name: name.to_owned(),
            byte_offset,
            datatype: <f32 as H5Type>::hdf5_type(),
        };
        Datatype::Compound { size: 8, fields: vec![part("r", 0), part("i", 4)] }
    }

    fn from_bytes(bytes: &[u8], dtype: &Datatype) -> Result<Self> {
        let wrong = || Error::InvalidData("not a complex number".to_owned());
        let [re, im] = parts(dtype).ok_or_else(wrong)?;
        let part = |place| float(bytes, place).ok_or_else(wrong);
        Ok(Self(Complex32::new(part(re)?, part(im)?)))
    }

    fn element_size(dtype: &Datatype) -> usize {
        dtype_element_size(dtype).unwrap_or(8)
    }

    fn native_copy_compatible(dtype: &Datatype) -> bool {
        let native =
            if cfg!(target_endian = "little") { ByteOrder::LittleEndian } else { ByteOrder::BigEndian };
        let size = dtype_element_size(dtype).ok();
        size == Some(8) && parts(dtype) == Some([(0, 4, native), (4, 4, native)])
    }
}

/// The bytes of an element.
#[derive(Clone, Debug)]
pub(super) struct Record(pub(super) Box<[u8]>);

impl H5Type for Record {
    fn hdf5_type() -> Datatype {
        Datatype::Opaque { size: 1, tag: String::new() }
    }

    fn from_bytes(bytes: &[u8], _dtype: &Datatype) -> Result<Self> {
        Ok(Self(bytes.into()))
    }

    fn element_size(dtype: &Datatype) -> usize {
        dtype_element_size(dtype).unwrap_or(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compound(order: ByteOrder, size: u8) -> Datatype {
        let part = |name: &str, byte_offset| CompoundField {
            name: name.to_owned(),
            byte_offset,
            datatype: Datatype::FloatingPoint { size, byte_order: order },
        };
        Datatype::Compound {
            size: 2 * u32::from(size),
            fields: vec![part("real", 0), part("imag", size.into())],
        }
    }

    #[test]
    fn both_sizes_and_orders_are_read() {
        let little = [1.5f64.to_le_bytes(), (-2f64).to_le_bytes()].concat();
        let read = |bytes: &[u8], dtype: &Datatype| Sample::from_bytes(bytes, dtype).map(|sample| sample.0);
        let expected = Complex32::new(1.5, -2.0);
        assert_eq!(read(&little, &compound(ByteOrder::LittleEndian, 8)).unwrap(), expected);
        let big = [1.5f32.to_be_bytes(), (-2f32).to_be_bytes()].concat();
        assert_eq!(read(&big, &compound(ByteOrder::BigEndian, 4)).unwrap(), expected);
        assert!(read(&big[..6], &compound(ByteOrder::BigEndian, 4)).is_err());
        assert!(!is_complex(&<f32 as H5Type>::hdf5_type()));
    }
}
