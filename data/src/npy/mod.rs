//! NumPy's `.npy` arrays, versions 1 to 3 (numpy.lib.format).
//!
//! Every numeric type, both byte orders and both memory orders are read; files are written little-endian in C
//! order. Arrays have at most four axes.

mod complex;
mod decode;
mod header;
mod reader;
mod write;

pub(crate) use complex::ComplexSlices;
pub(crate) use reader::SlicesOfArray;
pub(crate) use write::write_slices;
pub use write::{write_complex, write_f64, write_mask, write_real};

use crate::DataError;
use header::Header;
use ndarray::{ArrayD, IxDyn, ShapeBuilder};
use num_complex::{Complex32, Complex64};
use std::io::Read;
use std::path::Path;

/// The first bytes of every `.npy` file.
pub(crate) const MAGIC: &[u8; 6] = b"\x93NUMPY";

/// The axis lengths of an array, by its header alone.
///
/// # Errors
/// [`DataError::Unreadable`], or [`DataError::Input`] for a damaged header.
pub fn shape(path: &Path) -> Result<Vec<usize>, DataError> {
    let mut file = crate::open_regular(path).map_err(|source| DataError::unreadable(path, source))?;
    Ok(Header::read(path, &mut file)?.shape)
}

/// Reads real numbers as 32-bit floats.
///
/// # Errors
/// [`DataError::Unreadable`], or [`DataError::Input`] for a damaged file and for complex numbers.
pub fn read_real(path: &Path) -> Result<ArrayD<f32>, DataError> {
    read_f64_with(path, |value| value as f32)
}

/// Reads real numbers as 64-bit floats.
///
/// # Errors
/// As [`read_real`].
pub fn read_f64(path: &Path) -> Result<ArrayD<f64>, DataError> {
    read_f64_with(path, |value| value)
}

/// Reads complex numbers; real ones get a zero imaginary part.
///
/// # Errors
/// [`DataError::Unreadable`], or [`DataError::Input`] for a damaged file.
pub fn read_complex(path: &Path) -> Result<ArrayD<Complex32>, DataError> {
    let (header, bytes) = load(path)?;
    let narrow = |value: Complex64| Complex32::new(value.re as f32, value.im as f32);
    let values = if header.element.is_complex() {
        decode::complex(&header, &bytes, narrow)
    } else {
        decode::real(&header, &bytes, |value| Complex32::new(value as f32, 0.0))
    };
    arrange(path, &header, values)
}

/// Reads a mask: booleans, or numbers that are 0 or 1 (0 or 255 in 8-bit images).
///
/// # Errors
/// [`DataError::Unreadable`], or [`DataError::Input`] for a damaged file and for other numbers.
pub fn read_mask(path: &Path) -> Result<ArrayD<bool>, DataError> {
    let numbers = read_f64(path)?;
    let is_mask = |allowed: f64| numbers.iter().all(|&value| value == 0.0 || value == allowed);
    if !is_mask(1.0) && !is_mask(255.0) {
        return Err(DataError::input(
            path,
            "a mask holds numbers other than 0 and 1",
            "save it as booleans, for example numpy.save(path, mask > 0)",
        ));
    }
    Ok(numbers.mapv(|value| value != 0.0))
}

/// The shape and NumPy type name (as `<f4`) of a file, without reading its values.
///
/// # Errors
/// [`DataError::Unreadable`], or [`DataError::Input`] for a damaged header.
pub fn describe(path: &Path) -> Result<(Vec<usize>, String), DataError> {
    let mut file = crate::open_regular(path).map_err(|source| DataError::unreadable(path, source))?;
    let header = Header::read(path, &mut file)?;
    Ok((header.shape, header.descr))
}

/// What is known of an array after one pass over it, in little memory.
pub(crate) struct Survey {
    pub(crate) shape: Vec<usize>,
    /// NumPy type name.
    pub(crate) descr: String,
    /// The smallest and the largest finite value of real numbers.
    pub(crate) range: Option<[f32; 2]>,
    /// Values that are NaN or infinite.
    pub(crate) bad: usize,
}

/// Values that are looked at together.
const TOGETHER: usize = 1 << 17;

/// Looks through an array.
///
/// # Errors
/// As [`read_real`], except that complex numbers are taken.
pub(crate) fn survey(path: &Path) -> Result<Survey, DataError> {
    let unreadable = |source| DataError::unreadable(path, source);
    let mut file = crate::open_regular(path).map_err(unreadable)?;
    let (header, mut left) = checked_header(path, &mut file)?;
    let mut survey = Survey { shape: header.shape.clone(), descr: header.descr.clone(), range: None, bad: 0 };
    if header.element.is_complex() {
        return Ok(survey);
    }
    let mut bytes = Vec::new();
    while left > 0 {
        let part = left.min((TOGETHER * header.element.size()) as u64);
        bytes.clear();
        file.by_ref().take(part).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() as u64 != part {
            return Err(DataError::input(path, "is cut short", "copy or save it again"));
        }
        left -= part;
        for value in decode::real(&header, &bytes, |value| value as f32) {
            if !value.is_finite() {
                survey.bad += 1;
                continue;
            }
            let [low, high] = survey.range.unwrap_or([value, value]);
            survey.range = Some([low.min(value), high.max(value)]);
        }
    }
    Ok(survey)
}

fn read_f64_with<T>(path: &Path, convert: impl Fn(f64) -> T) -> Result<ArrayD<T>, DataError>
where
    T: Clone,
{
    let (header, bytes) = load(path)?;
    if header.element.is_complex() {
        return Err(DataError::input(
            path,
            "holds complex numbers where real ones are needed",
            "save the magnitude (numpy.abs), or give it as k-space",
        ));
    }
    let values = decode::real(&header, &bytes, convert);
    arrange(path, &header, values)
}

/// The header and the raw bytes of all elements.
fn load(path: &Path) -> Result<(Header, Vec<u8>), DataError> {
    let unreadable = |source| DataError::unreadable(path, source);
    let mut file = crate::open_regular(path).map_err(unreadable)?;
    let (header, needed) = checked_header(path, &mut file)?;
    let mut bytes = Vec::new();
    file.take(needed).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 != needed {
        return Err(DataError::input(path, "is cut short", "copy or save it again"));
    }
    Ok((header, bytes))
}

/// The header, and how many bytes of values follow, all of which the file has.
fn checked_header(path: &Path, file: &mut std::fs::File) -> Result<(Header, u64), DataError> {
    let length = file.metadata().map_err(|source| DataError::unreadable(path, source))?.len();
    let header = Header::read(path, file)?;
    // The length is checked before memory is taken, so that a damaged shape cannot ask for the whole machine.
    let needed = header.byte_count(path)?;
    if length.saturating_sub(header.data_offset) < needed {
        return Err(DataError::input(
            path,
            format!("is cut short: {needed} bytes of values expected after the header, {length} in the file"),
            "copy or save it again",
        ));
    }
    Ok((header, needed))
}

fn arrange<T: Clone>(path: &Path, header: &Header, values: Vec<T>) -> Result<ArrayD<T>, DataError> {
    let shape = IxDyn(&header.shape);
    let array = if header.fortran_order {
        ArrayD::from_shape_vec(shape.f(), values).map(|array| array.as_standard_layout().into_owned())
    } else {
        ArrayD::from_shape_vec(shape, values)
    };
    array.map_err(|error| DataError::input(path, error.to_string(), "save it again with numpy.save"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Overwrite;
    use ndarray::{Array2, arr2};

    fn file(descr: &str, fortran: &str, shape: &str, data: &[u8]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}\n");
        let mut bytes = MAGIC.to_vec();
        bytes.extend([1, 0]);
        bytes.extend((text.len() as u16).to_le_bytes());
        bytes.extend(text.as_bytes());
        bytes.extend(data);
        std::fs::write(file.path(), bytes).unwrap();
        file
    }

    fn message<T: std::fmt::Debug>(result: Result<T, DataError>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn byte_orders_and_types() {
        let big = file(">i2", "False", "(2,)", &[0, 1, 255, 254]);
        assert_eq!(read_real(big.path()).unwrap().into_raw_vec_and_offset().0, [1.0, -2.0]);
        let half = file("<f2", "False", "(1,)", &[0x00, 0x3c]);
        assert_eq!(read_f64(half.path()).unwrap()[[0]], 1.0);
        let double = file("<c16", "False", "(1,)", &[1.5f64.to_le_bytes(), (-2f64).to_le_bytes()].concat());
        assert_eq!(read_complex(double.path()).unwrap()[[0]], Complex32::new(1.5, -2.0));
        let mask = file("|u1", "False", "(3,)", &[0, 255, 0]);
        assert_eq!(read_mask(mask.path()).unwrap().into_raw_vec_and_offset().0, [false, true, false]);
    }

    #[test]
    fn fortran_order_is_transposed() {
        let columns = file("|i1", "True", "(2, 3)", &[1, 4, 2, 5, 3, 6]);
        let array = read_real(columns.path()).unwrap();
        assert_eq!(array, arr2(&[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]).into_dyn());
        assert!(array.is_standard_layout());
    }

    #[test]
    fn damaged_files_are_refused() {
        let cases = [
            (file("<f4", "False", "(2,)", &[0; 4]), "cut short"),
            (file("<f4", "False", "(99999999999, 99999999999)", &[]), "too large"),
            (file("<f4", "False", "(2, 0)", &[]), "no elements"),
            (file("<f4", "False", "(1, 1, 1, 1, 1)", &[0; 4]), "axes"),
            (file("<U3", "False", "(1,)", &[0; 12]), "<U3"),
            (file("<f4", "False", "(x,)", &[]), "header"),
        ];
        for (file, part) in cases {
            let text = message(read_real(file.path()));
            assert!(text.contains(part), "{text}");
        }
        let complex = file("<c8", "False", "(1,)", &[0; 8]);
        assert!(message(read_real(complex.path())).contains("complex"));
        let grey = file("|u1", "False", "(2,)", &[1, 7]);
        assert!(message(read_mask(grey.path())).contains("other than 0 and 1"));
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        // A transposed view: the memory order of the view must not reach the file.
        let array = Array2::from_shape_fn((3, 2), |(i, j)| (10 * i + j) as f32 + 0.25);
        write_real(&path, array.t(), Overwrite::Refuse).unwrap();
        assert_eq!(read_real(&path).unwrap(), array.t().to_owned().into_dyn());
        let wave = array.mapv(|value| Complex32::new(value, -value));
        write_complex(&path, wave.view(), Overwrite::Force).unwrap();
        assert_eq!(read_complex(&path).unwrap(), wave.into_dyn());
        let mask = array.mapv(|value| value > 5.0);
        write_mask(&path, mask.view(), Overwrite::Force).unwrap();
        assert_eq!(read_mask(&path).unwrap(), mask.into_dyn());
        assert_eq!(describe(&path).unwrap(), (vec![3, 2], "|b1".to_owned()));
        // numpy.load maps files into memory only if the values start at a multiple of 64.
        assert_eq!(std::fs::metadata(&path).unwrap().len() % 64, 6);
    }
}
