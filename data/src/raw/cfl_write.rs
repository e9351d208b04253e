//! Arrays to BART's `.cfl` and `.hdr`.

use super::cfl::{COIL, DIMENSIONS, SLICE};
use crate::{DataError, Overwrite, atomic};
use ndarray::{Array2, Array3, ArrayView2, Axis};
use num_complex::Complex32;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

/// Slice `k` of complex images, (row, col).
type ImageOf<'a> = &'a dyn Fn(usize) -> Result<Array2<Complex32>, DataError>;
/// Slice `k` of k-space, (coil, row, col).
type KspaceOf<'a> = &'a dyn Fn(usize) -> Result<Array3<Complex32>, DataError>;

/// Writes complex images (slice, row, col) to `path` with `.cfl` and `.hdr`: rows are dimension 0, columns 1, slices 13.
///
/// # Errors
/// [`DataError::Exists`], [`DataError::Io`], [`DataError::Output`] for values that are not finite, and whatever an image
/// ends with.
pub fn write_cfl(
    path: &Path,
    [slices, rows, cols]: [usize; 3],
    image: ImageOf<'_>,
    overwrite: Overwrite,
) -> Result<(), DataError> {
    let mut dims = [1; DIMENSIONS];
    (dims[0], dims[1], dims[SLICE]) = (rows, cols, slices);
    write(path, &dims, overwrite, |file| {
        (0..slices).try_for_each(|k| plane(path, file, [rows, cols], &image(k)?.view()))
    })
}

/// Writes k-space (slice, coil, row, col) to `path` with `.cfl` and `.hdr`: rows are dimension 0, columns 1, coils 3,
/// slices 13.
///
/// # Errors
/// As [`write_cfl`].
pub fn write_cfl_kspace(
    path: &Path,
    [slices, coils, rows, cols]: [usize; 4],
    slice: KspaceOf<'_>,
    overwrite: Overwrite,
) -> Result<(), DataError> {
    let mut dims = [1; DIMENSIONS];
    (dims[0], dims[1], dims[COIL], dims[SLICE]) = (rows, cols, coils, slices);
    write(path, &dims, overwrite, |file| {
        for k in 0..slices {
            let slice = slice(k)?;
            if slice.len_of(Axis(0)) != coils {
                return Err(shape_differs(path));
            }
            slice.outer_iter().try_for_each(|coil| plane(path, file, [rows, cols], &coil))?;
        }
        Ok(())
    })
}

fn shape_differs(path: &Path) -> DataError {
    DataError::output(path, "slices differ in shape", "write them to files of their own")
}

/// Both files; the `.cfl` gets its name first, so that a `.hdr` is never alone.
fn write(
    path: &Path,
    dims: &[usize; DIMENSIONS],
    overwrite: Overwrite,
    fill: impl FnOnce(&mut BufWriter<File>) -> Result<(), DataError>,
) -> Result<(), DataError> {
    let (data, header) = (path.with_extension("cfl"), path.with_extension("hdr"));
    if dims.contains(&0) {
        return Err(DataError::output(&data, "has an empty axis", "write at least one sample"));
    }
    atomic::refuse_existing(&header, overwrite)?;
    let failed = |source| DataError::io(&data, source);
    atomic::write_with(&data, overwrite, |temporary| {
        let mut file = BufWriter::new(File::create(temporary).map_err(failed)?);
        fill(&mut file)?;
        file.flush().map_err(failed)
    })?;
    let lengths: String = dims.iter().map(|length| format!("{length} ")).collect();
    atomic::write_bytes(&header, format!("# Dimensions\n{lengths}\n").as_bytes(), overwrite)
}

/// A plane, rows fastest.
fn plane(
    path: &Path,
    file: &mut impl Write,
    shape: [usize; 2],
    image: &ArrayView2<'_, Complex32>,
) -> Result<(), DataError> {
    if image.shape() != shape {
        return Err(shape_differs(path));
    }
    if image.iter().any(|value| !value.is_finite()) {
        let what = "values are NaN or infinite";
        return Err(DataError::output(
            path,
            what,
            "this is a fault of the method; try another seed or method",
        ));
    }
    let bytes: Vec<u8> = image
        .t()
        .iter()
        .flat_map(|value| [value.re.to_le_bytes(), value.im.to_le_bytes()])
        .flatten()
        .collect();
    file.write_all(&bytes).map_err(|source| DataError::io(path, source))
}
