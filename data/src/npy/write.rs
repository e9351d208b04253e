//! Arrays to `.npy`, version 1, little-endian, C order.
#![expect(
    clippy::needless_pass_by_value,
    reason = "a view is a reference already, and callers make it in place"
)]

use super::MAGIC;
use crate::{DataError, Overwrite, atomic};
use ndarray::{Array2, ArrayView, Dimension};
use num_complex::Complex32;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

/// Writes 32-bit floats (`<f4`).
///
/// # Errors
/// [`DataError::Exists`] or [`DataError::Io`].
pub fn write_real<D: Dimension>(
    path: &Path,
    array: ArrayView<'_, f32, D>,
    overwrite: Overwrite,
) -> Result<(), DataError> {
    write(path, &array, "<f4", overwrite, |file, value| file.write_all(&value.to_le_bytes()))
}

/// Slice `k` of a stack.
type SliceOf<'a> = &'a dyn Fn(usize) -> Result<Array2<f32>, DataError>;

/// Writes 32-bit floats of this `shape`, slice after slice, of so many slices.
pub(crate) fn write_slices(
    path: &Path,
    shape: &[usize],
    (slices, slice): (usize, SliceOf<'_>),
    overwrite: Overwrite,
) -> Result<(), DataError> {
    let failed = |source| DataError::io(path, source);
    atomic::write_with(path, overwrite, |temporary| {
        let mut file = BufWriter::new(File::create(temporary).map_err(failed)?);
        file.write_all(&header("<f4", shape)).map_err(failed)?;
        for k in 0..slices {
            let image = slice(k)?;
            image.iter().try_for_each(|value| file.write_all(&value.to_le_bytes())).map_err(failed)?;
        }
        file.flush().map_err(failed)
    })
}

/// Writes 64-bit floats (`<f8`).
///
/// # Errors
/// As [`write_real`].
pub fn write_f64<D: Dimension>(
    path: &Path,
    array: ArrayView<'_, f64, D>,
    overwrite: Overwrite,
) -> Result<(), DataError> {
    write(path, &array, "<f8", overwrite, |file, value| file.write_all(&value.to_le_bytes()))
}

/// Writes complex numbers of two 32-bit floats (`<c8`).
///
/// # Errors
/// As [`write_real`].
pub fn write_complex<D: Dimension>(
    path: &Path,
    array: ArrayView<'_, Complex32, D>,
    overwrite: Overwrite,
) -> Result<(), DataError> {
    write(path, &array, "<c8", overwrite, |file, value| {
        file.write_all(&value.re.to_le_bytes())?;
        file.write_all(&value.im.to_le_bytes())
    })
}

/// Writes booleans (`|b1`).
///
/// # Errors
/// As [`write_real`].
pub fn write_mask<D: Dimension>(
    path: &Path,
    array: ArrayView<'_, bool, D>,
    overwrite: Overwrite,
) -> Result<(), DataError> {
    write(path, &array, "|b1", overwrite, |file, &value| file.write_all(&[u8::from(value)]))
}

fn write<T, D: Dimension>(
    path: &Path,
    array: &ArrayView<'_, T, D>,
    descr: &str,
    overwrite: Overwrite,
    mut put: impl FnMut(&mut BufWriter<File>, &T) -> std::io::Result<()>,
) -> Result<(), DataError> {
    atomic::write_with(path, overwrite, |temporary| {
        let mut fill = || {
            let mut file = BufWriter::new(File::create(temporary)?);
            file.write_all(&header(descr, array.shape()))?;
            array.iter().try_for_each(|value| put(&mut file, value))?;
            file.flush()
        };
        fill().map_err(|source| DataError::io(path, source))
    })
}

/// Magic, version, length and dictionary, padded so that the values start at a multiple of 64 bytes.
fn header(descr: &str, shape: &[usize]) -> Vec<u8> {
    let axes: String = shape.iter().map(|n| format!("{n}, ")).collect();
    // Python writes a tuple of one as (n,) and of several as (n, m).
    let axes = if shape.len() == 1 { axes.trim_end() } else { axes.trim_end_matches(", ") };
    let mut text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({axes}), }}");
    while (10 + text.len() + 1) % 64 != 0 {
        text.push(' ');
    }
    text.push('\n');
    let mut bytes = MAGIC.to_vec();
    bytes.extend([1, 0]);
    bytes.extend((text.len() as u16).to_le_bytes());
    bytes.extend(text.as_bytes());
    bytes
}
