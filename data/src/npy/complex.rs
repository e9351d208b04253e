//! Complex arrays, read slice by slice.

use super::header::Header;
use super::{checked_header, decode};
use crate::{DataError, open_regular};
use ndarray::{Array3, ArrayD, Axis, Ix4};
use num_complex::{Complex32, Complex64};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// A complex array as slices (coil, row, col).
pub(crate) struct ComplexSlices {
    path: PathBuf,
    header: Header,
    shape: [usize; 4],
    /// The whole array where its order is that of Fortran, in which a slice lies scattered.
    whole: Option<ArrayD<Complex32>>,
}

impl ComplexSlices {
    /// Opens an array (slice, coil, row, col), (coil, row, col) or (row, col).
    ///
    /// # Errors
    /// [`DataError::Unreadable`], or [`DataError::Input`] for a damaged file, real numbers and other axes.
    pub(crate) fn open(path: &Path) -> Result<Self, DataError> {
        let mut file = open_regular(path).map_err(|source| DataError::unreadable(path, source))?;
        let (header, _) = checked_header(path, &mut file)?;
        if !header.element.is_complex() {
            let what = "holds real numbers where k-space is complex";
            return Err(DataError::input(path, what, "save it as complex64, (coil, row, col)"));
        }
        let shape = match header.shape[..] {
            [rows, cols] => [1, 1, rows, cols],
            [coils, rows, cols] => [1, coils, rows, cols],
            [slices, coils, rows, cols] => [slices, coils, rows, cols],
            _ => {
                let what = format!("has {} axes", header.shape.len());
                return Err(DataError::input(path, what, "k-space is (coil, row, col) or (row, col)"));
            }
        };
        let whole = if header.fortran_order { Some(super::read_complex(path)?) } else { None };
        Ok(Self { path: path.to_owned(), header, shape, whole })
    }

    /// Axis lengths (slice, coil, row, col).
    pub(crate) fn shape(&self) -> [usize; 4] {
        self.shape
    }

    /// Slice `k`.
    ///
    /// # Errors
    /// [`DataError::Unreadable`], or [`DataError::Input`] when the file is shorter than it was.
    pub(crate) fn slice(&self, k: usize) -> Result<Array3<Complex32>, DataError> {
        let wrong = |what: String| DataError::input(&self.path, what, "copy or save it again");
        let [_, coils, rows, cols] = self.shape;
        if let Some(whole) = &self.whole {
            let array = whole.to_shape(self.shape).map_err(|error| wrong(error.to_string()))?;
            let array = array.into_dimensionality::<Ix4>().map_err(|error| wrong(error.to_string()))?;
            return Ok(array.index_axis(Axis(0), k).to_owned());
        }
        let length = coils * rows * cols * self.header.element.size();
        let unreadable = |source| DataError::unreadable(&self.path, source);
        let mut file = open_regular(&self.path).map_err(unreadable)?;
        file.seek(SeekFrom::Start(self.header.data_offset + (k * length) as u64)).map_err(unreadable)?;
        let mut bytes = Vec::new();
        file.take(length as u64).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() != length {
            return Err(wrong(format!("is cut short in slice {k}")));
        }
        let narrow = |value: Complex64| Complex32::new(value.re as f32, value.im as f32);
        let values = decode::complex(&self.header, &bytes, narrow);
        Array3::from_shape_vec((coils, rows, cols), values).map_err(|error| wrong(error.to_string()))
    }
}
