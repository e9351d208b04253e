//! Raw bytes of a `.npy` file to numbers.

use super::header::{Element, Header};
use num_complex::Complex64;

/// Every element through `f64`, which holds all but the largest 64-bit integers exactly.
///
/// Complex elements give their real part; callers that must not lose the imaginary part ask before.
pub(super) fn real<T>(header: &Header, bytes: &[u8], convert: impl Fn(f64) -> T) -> Vec<T> {
    macro_rules! numbers {
        ($number:ty, $wide:expr) => {{ each(bytes, header.big_endian, |raw| convert($wide(<$number>::from_le_bytes(raw)))) }};
    }
    match header.element {
        Element::Bool => bytes.iter().map(|&byte| convert(f64::from(u8::from(byte != 0)))).collect(),
        Element::Int8 => numbers!(i8, f64::from),
        Element::UInt8 => numbers!(u8, f64::from),
        Element::Int16 => numbers!(i16, f64::from),
        Element::UInt16 => numbers!(u16, f64::from),
        Element::Int32 => numbers!(i32, f64::from),
        Element::UInt32 => numbers!(u32, f64::from),
        Element::Int64 => numbers!(i64, |value| value as f64),
        Element::UInt64 => numbers!(u64, |value| value as f64),
        Element::Float16 => numbers!(half::f16, half::f16::to_f64),
        Element::Float32 => numbers!(f32, f64::from),
        Element::Float64 => numbers!(f64, |value| value),
        Element::Complex64 | Element::Complex128 => complex(header, bytes, |value| convert(value.re)),
    }
}

/// Every element of a complex array, in the order of the file.
pub(super) fn complex<T>(header: &Header, bytes: &[u8], convert: impl Fn(Complex64) -> T) -> Vec<T> {
    let parts: Vec<f64> = if header.element == Element::Complex128 {
        each(bytes, header.big_endian, f64::from_le_bytes)
    } else {
        each(bytes, header.big_endian, |raw| f64::from(f32::from_le_bytes(raw)))
    };
    parts.chunks_exact(2).map(|pair| convert(Complex64::new(pair[0], pair[1]))).collect()
}

/// `convert` of each group of `N` bytes, turned to little-endian first.
fn each<const N: usize, T>(bytes: &[u8], big_endian: bool, convert: impl Fn([u8; N]) -> T) -> Vec<T> {
    let (groups, _) = bytes.as_chunks::<N>();
    let turned = |mut raw: [u8; N]| {
        if big_endian {
            raw.reverse();
        }
        convert(raw)
    };
    groups.iter().map(|&raw| turned(raw)).collect()
}
