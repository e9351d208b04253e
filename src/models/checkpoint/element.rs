//! The kinds of numbers that checkpoints store.

use super::fault::{Outcome, fault};
use half::{bf16, f16};

/// The number format of a stored tensor, little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Element {
    /// IEEE half precision.
    F16,
    /// The upper half of a single.
    BF16,
    /// IEEE single precision.
    F32,
    /// IEEE double precision.
    F64,
    /// A truth value in a byte.
    Bool,
    /// Signed, 8 bits.
    I8,
    /// Signed, 16 bits.
    I16,
    /// Signed, 32 bits.
    I32,
    /// Signed, 64 bits.
    I64,
    /// Unsigned, 8 bits.
    U8,
    /// Unsigned, 16 bits.
    U16,
    /// Unsigned, 32 bits.
    U32,
    /// Unsigned, 64 bits.
    U64,
    /// Two singles: no network here has such weights.
    Complex64,
    /// Two doubles: no network here has such weights.
    Complex128,
}

impl Element {
    /// Bytes of one number.
    pub fn size(self) -> usize {
        match self {
            Self::Bool | Self::I8 | Self::U8 => 1,
            Self::F16 | Self::BF16 | Self::I16 | Self::U16 => 2,
            Self::F32 | Self::I32 | Self::U32 => 4,
            Self::F64 | Self::I64 | Self::U64 | Self::Complex64 => 8,
            Self::Complex128 => 16,
        }
    }

    /// The format that numpy, Flax and `torch.dtype` call by `name`.
    pub(super) fn of_name(name: &str) -> Option<Self> {
        Some(match name {
            "float16" | "half" => Self::F16,
            "bfloat16" => Self::BF16,
            "float32" | "float" => Self::F32,
            "float64" | "double" => Self::F64,
            "bool" => Self::Bool,
            "int8" => Self::I8,
            "int16" | "short" => Self::I16,
            "int32" | "int" => Self::I32,
            "int64" | "long" => Self::I64,
            "uint8" => Self::U8,
            "uint16" => Self::U16,
            "uint32" => Self::U32,
            "uint64" => Self::U64,
            "complex64" | "cfloat" => Self::Complex64,
            "complex128" | "cdouble" => Self::Complex128,
            _ => return None,
        })
    }

    /// The format that numpy's array protocol calls by `code`, such as `f8`.
    pub(super) fn of_code(code: &str) -> Option<Self> {
        Some(match code.trim_start_matches(['<', '=', '|']) {
            "f2" => Self::F16,
            "f4" => Self::F32,
            "f8" => Self::F64,
            "b1" => Self::Bool,
            "i1" => Self::I8,
            "i2" => Self::I16,
            "i4" => Self::I32,
            "i8" => Self::I64,
            "u1" => Self::U8,
            "u2" => Self::U16,
            "u4" => Self::U32,
            "u8" => Self::U64,
            "c8" => Self::Complex64,
            "c16" => Self::Complex128,
            _ => return None,
        })
    }

    /// The format of the typed storage that PyTorch calls by `class`, such as `FloatStorage`.
    pub(super) fn of_storage(class: &str) -> Option<Self> {
        Some(match class.strip_suffix("Storage")? {
            "Half" => Self::F16,
            "BFloat16" => Self::BF16,
            "Float" => Self::F32,
            "Double" => Self::F64,
            "Bool" => Self::Bool,
            "Char" => Self::I8,
            "Short" => Self::I16,
            "Int" => Self::I32,
            "Long" => Self::I64,
            "Byte" | "Untyped" => Self::U8,
            "ComplexFloat" => Self::Complex64,
            "ComplexDouble" => Self::Complex128,
            _ => return None,
        })
    }

    /// The number in `bytes`, which are [`Self::size`] long.
    pub(super) fn read(self, bytes: &[u8]) -> Outcome<f64> {
        let word = bytes.iter().rev().take(8).fold(0_u64, |word, byte| word << 8 | u64::from(*byte));
        Ok(match self {
            Self::F16 => f16::from_bits(word as u16).to_f64(),
            Self::BF16 => bf16::from_bits(word as u16).to_f64(),
            Self::F32 => f64::from(f32::from_bits(word as u32)),
            Self::F64 => f64::from_bits(word),
            Self::Bool => f64::from(u8::from(word != 0)),
            Self::I8 => f64::from(word as i8),
            Self::I16 => f64::from(word as i16),
            Self::I32 => f64::from(word as i32),
            Self::I64 => word as i64 as f64,
            Self::U8 | Self::U16 | Self::U32 | Self::U64 => word as f64,
            Self::Complex64 | Self::Complex128 => {
                return fault("holds complex numbers where real ones belong");
            }
        })
    }

    /// Appends `bytes`, which hold whole numbers, in single precision.
    pub(super) fn append(self, bytes: &[u8], values: &mut Vec<f32>) -> Outcome<()> {
        for number in bytes.chunks_exact(self.size()) {
            values.push(self.read(number)? as f32);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_reads_its_own_numbers() {
        let cases: [(Element, &[u8], f64); 9] = [
            (Element::F16, &f16::from_f32(-1.5).to_le_bytes(), -1.5),
            (Element::BF16, &bf16::from_f32(3.0).to_le_bytes(), 3.0),
            (Element::F32, &0.1_f32.to_le_bytes(), f64::from(0.1_f32)),
            (Element::F64, &0.1_f64.to_le_bytes(), 0.1),
            (Element::I8, &[0xff], -1.0),
            (Element::I16, &(-300_i16).to_le_bytes(), -300.0),
            (Element::I64, &(-5_i64).to_le_bytes(), -5.0),
            (Element::U32, &u32::MAX.to_le_bytes(), 4_294_967_295.0),
            (Element::Bool, &[2], 1.0),
        ];
        for (element, bytes, value) in cases {
            assert_eq!(bytes.len(), element.size());
            assert_eq!(element.read(bytes), Ok(value), "{element:?}");
        }
        assert!(Element::Complex64.read(&[0; 8]).is_err());
    }

    #[test]
    fn names_of_three_libraries_are_understood() {
        assert_eq!(Element::of_name("bfloat16"), Some(Element::BF16));
        assert_eq!(Element::of_code("<f8"), Some(Element::F64));
        assert_eq!(Element::of_storage("HalfStorage"), Some(Element::F16));
        assert_eq!(Element::of_code("O8").or(Element::of_storage("QInt8Storage")), None);
    }
}
