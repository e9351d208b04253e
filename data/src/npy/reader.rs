//! A stack of images in a `.npy` file, read image by image.

use super::decode;
use super::header::Header;
use crate::{DataError, open_regular};
use ndarray::Array2;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// The images of an array (slice, row, col) of real numbers in C order.
pub(crate) struct SlicesOfArray {
    path: PathBuf,
    header: Header,
}

impl SlicesOfArray {
    /// The images of a file; none where it has to be read as a whole: with another number of axes, complex, or in Fortran
    /// order.
    ///
    /// # Errors
    /// [`DataError::Unreadable`], or [`DataError::Input`] for a damaged file.
    pub(crate) fn open(path: &Path) -> Result<Option<Self>, DataError> {
        let mut file = open_regular(path).map_err(|source| DataError::unreadable(path, source))?;
        let header = Header::read(path, &mut file)?;
        header.byte_count(path)?;
        let plain = header.shape.len() == 3 && !header.fortran_order && !header.element.is_complex();
        Ok(plain.then(|| Self { path: path.to_owned(), header }))
    }

    /// Axis lengths (slice, row, col).
    pub(crate) fn shape(&self) -> [usize; 3] {
        [self.header.shape[0], self.header.shape[1], self.header.shape[2]]
    }

    /// Image `k`.
    ///
    /// # Errors
    /// [`DataError::Unreadable`], or [`DataError::Input`] when the file is cut short.
    pub(crate) fn slice(&self, k: usize) -> Result<Array2<f32>, DataError> {
        let [_, rows, cols] = self.shape();
        let length = rows * cols * self.header.element.size();
        let unreadable = |source| DataError::unreadable(&self.path, source);
        let mut file = open_regular(&self.path).map_err(unreadable)?;
        file.seek(SeekFrom::Start(self.header.data_offset + (k * length) as u64)).map_err(unreadable)?;
        let mut bytes = Vec::new();
        file.take(length as u64).read_to_end(&mut bytes).map_err(unreadable)?;
        let wrong = |what: String| DataError::input(&self.path, what, "copy or save it again");
        if bytes.len() != length {
            return Err(wrong(format!("is cut short in slice {k}")));
        }
        let values = decode::real(&self.header, &bytes, |value| value as f32);
        Array2::from_shape_vec((rows, cols), values).map_err(|error| wrong(error.to_string()))
    }
}
