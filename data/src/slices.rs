//! A scan whose slices are read when they are asked for.

use crate::dicom::SlicesOfSeries;
use crate::error::check_finite;
use crate::nifti::SlicesOfNifti;
use crate::npy::SlicesOfArray;
use crate::scan::{Kind, kind_of, read_as_it_is};
use crate::{DataError, Geometry, Modality, Scan, Source, Unit, npy};
use ndarray::{Array2, Axis};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// The slices of a scan, in memory if they are few, else read again and again.
pub struct SliceReader {
    path: PathBuf,
    from: From,
    shape: [usize; 3],
    geometry: Geometry,
    unit: Unit,
    source: Source,
    warnings: Vec<String>,
    /// The first slice that counts.
    first: usize,
    /// The smallest and the largest value of every slice of the file.
    ranges: Vec<(f32, f32)>,
    /// What stands for values that are not a number.
    nan: Option<f32>,
}

enum From {
    Memory(Box<Scan>),
    Dicom(Box<SlicesOfSeries>),
    Nifti(Box<SlicesOfNifti>),
    Array(SlicesOfArray),
}

/// Scans up to this number of voxels are read once and kept: 64 MB.
const KEPT_VOXELS: usize = 1 << 24;

/// Opens what [`read`](crate::read) reads, with the same checks; a large scan is looked through once, slice by slice,
/// so that what is damaged is found before any work is done.
///
/// # Errors
/// As [`read`](crate::read).
pub fn open(path: &Path) -> Result<SliceReader, DataError> {
    open_keeping(path, KEPT_VOXELS, Selection::default())
}

/// What is taken of a file or folder, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Selection<'a> {
    /// The [name](crate::Series::name) of the series, in a folder with several.
    pub series: Option<&'a str>,
    /// What stands for values that are not a number; they are refused without it, and infinite ones always.
    pub nan_to: Option<f32>,
}

/// Opens a part of what [`open`] opens.
///
/// # Errors
/// As [`read`](crate::read), and when there is no such series.
pub fn open_selected(path: &Path, selection: Selection<'_>) -> Result<SliceReader, DataError> {
    open_keeping(path, KEPT_VOXELS, selection)
}

/// Axis lengths (slice, row, col) of what [`open_selected`] would open, by its headers alone.
///
/// # Errors
/// When headers cannot be read.
pub fn shape(path: &Path, series: Option<&str>) -> Result<[usize; 3], DataError> {
    match kind_of(path)? {
        Kind::Dicom => Ok(SlicesOfSeries::file(path)?.shape()),
        Kind::DicomFolder => Ok(SlicesOfSeries::folder(path, series)?.shape()),
        Kind::Nifti => Ok(SlicesOfNifti::open(path)?.shape()),
        Kind::Npy => match npy::shape(path)?[..] {
            [rows, cols] => Ok([1, rows, cols]),
            [slices, rows, cols] => Ok([slices, rows, cols]),
            _ => Err(DataError::input(path, "is neither an image nor a volume", "select one")),
        },
    }
}

fn open_keeping(path: &Path, kept: usize, selection: Selection<'_>) -> Result<SliceReader, DataError> {
    let Selection { series: name, nan_to: nan } = selection;
    let is_large = |shape: [usize; 3]| shape.iter().product::<usize>() > kept;
    let what = kind_of(path)?;
    if name.is_some() && what != Kind::DicomFolder {
        return Err(DataError::input(path, "is not a folder of DICOM series", "leave out --series"));
    }
    match what {
        kind @ (Kind::Dicom | Kind::DicomFolder) => {
            let is_folder = kind == Kind::DicomFolder;
            let series =
                if is_folder { SlicesOfSeries::folder(path, name) } else { SlicesOfSeries::file(path) }?;
            if is_large(series.shape()) {
                return SliceReader::of_series(path, series);
            }
        }
        Kind::Nifti => {
            let file = SlicesOfNifti::open(path)?;
            if is_large(file.shape()) {
                return SliceReader::of_nifti(path, file, nan);
            }
        }
        Kind::Npy => {
            if let Some(array) = SlicesOfArray::open(path)?.filter(|array| is_large(array.shape())) {
                let about = (Source::Npy, Geometry::default());
                return SliceReader::checked(path, array.shape(), From::Array(array), about, nan);
            }
        }
    }
    SliceReader::of_scan(path, read_as_it_is(path, name)?, nan)
}

impl SliceReader {
    fn of_scan(path: &Path, scan: Scan, nan: Option<f32>) -> Result<Self, DataError> {
        let (slices, rows, cols) = scan.volume.voxels.dim();
        let (about, unit) = ((scan.source.clone(), scan.volume.geometry.clone()), scan.volume.unit);
        let warnings = scan.warnings.clone();
        let mut reader = Self::checked(path, [slices, rows, cols], From::Memory(Box::new(scan)), about, nan)?;
        reader.warnings.extend(warnings);
        Ok(Self { unit, ..reader })
    }

    fn of_series(path: &Path, series: SlicesOfSeries) -> Result<Self, DataError> {
        let (about, unit) = ((series.source.clone(), series.geometry.clone()), series.unit);
        let warnings = series.warnings.clone();
        let reader = Self::checked(path, series.shape(), From::Dicom(Box::new(series)), about, None)?;
        Ok(Self { unit, warnings, ..reader })
    }

    fn of_nifti(path: &Path, file: SlicesOfNifti, nan: Option<f32>) -> Result<Self, DataError> {
        let (about, warnings) = (file.source(), file.warnings());
        let mut reader = Self::checked(path, file.shape(), From::Nifti(Box::new(file)), about, nan)?;
        reader.warnings.extend(warnings);
        Ok(reader)
    }

    /// Looks through all slices once.
    fn checked(
        path: &Path,
        shape: [usize; 3],
        from: From,
        (source, geometry): (Source, Geometry),
        nan: Option<f32>,
    ) -> Result<Self, DataError> {
        let unit = Unit::Arbitrary;
        let (path, ranges, warnings) = (path.to_owned(), Vec::new(), Vec::new());
        let mut reader = Self { path, from, shape, geometry, unit, source, warnings, first: 0, ranges, nan };
        let none = (f32::INFINITY, f32::NEG_INFINITY);
        let wider = |(low, high): (f32, f32), &value: &f32| (low.min(value), high.max(value));
        let mut mended = 0;
        for k in 0..shape[0] {
            let (image, count) = reader.mended(k)?;
            mended += count;
            reader.ranges.push(image.iter().fold(none, wider));
        }
        if let Some(value) = nan.filter(|_| mended > 0) {
            reader.warnings.push(format!("{mended} values were not a number and are replaced by {value}"));
        }
        Ok(reader)
    }

    /// Axis lengths (slice, row, col).
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// Where the voxels lie.
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// What the numbers mean.
    pub fn unit(&self) -> Unit {
        self.unit
    }

    /// What made the images, if the file says so.
    pub fn modality(&self) -> Option<Modality> {
        match &self.from {
            From::Memory(scan) => scan.modality,
            From::Dicom(series) => series.modality,
            From::Nifti(_) | From::Array(_) => None,
        }
    }

    /// What is needed to write the same kind of file.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// What a reader of the result should know, one sentence each.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Slice `k`; cheap for growing `k`.
    ///
    /// # Errors
    /// When the file was changed since it was opened: [`DataError::Unreadable`] or [`DataError::Input`].
    ///
    /// # Panics
    /// When there is no such slice.
    pub fn slice(&self, k: usize) -> Result<Array2<f32>, DataError> {
        Ok(self.mended(k)?.0)
    }

    /// Slice `k`, and how many of its values are not those of the file.
    fn mended(&self, k: usize) -> Result<(Array2<f32>, usize), DataError> {
        assert!(k < self.shape[0], "slice {k} of {}", self.shape[0]);
        let k = self.first + k;
        let mut image = match &self.from {
            From::Memory(scan) => scan.volume.voxels.index_axis(Axis(0), k).to_owned(),
            From::Dicom(series) => series.slice(k)?,
            From::Nifti(file) => file.slice(k)?,
            From::Array(array) => array.slice(k)?,
        };
        let mut count = 0;
        if let Some(value) = self.nan {
            for entry in image.iter_mut().filter(|entry| entry.is_nan()) {
                *entry = value;
                count += 1;
            }
        }
        check_finite(&self.path, &image)?;
        Ok((image, count))
    }

    /// The smallest and the largest value.
    pub fn range(&self) -> (f32, f32) {
        let ranges = &self.ranges[self.first..self.first + self.shape[0]];
        let none = (f32::INFINITY, f32::NEG_INFINITY);
        ranges.iter().fold(none, |(low, high), range| (low.min(range.0), high.max(range.1)))
    }

    /// Only these slices, where they lie.
    ///
    /// # Panics
    /// When there is no such slice.
    #[must_use]
    pub fn cut(mut self, range: Range<usize>) -> Self {
        assert!(range.start < range.end && range.end <= self.shape[0], "{range:?} of {}", self.shape[0]);
        let shift = range.start as f64 * self.geometry.spacing_mm[0];
        for (origin, direction) in self.geometry.origin_mm.iter_mut().zip(self.geometry.direction[0]) {
            *origin += shift * direction;
        }
        self.first += range.start;
        self.shape[0] = range.len();
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ImageStack, Overwrite, Provenance, write_stack};
    use ndarray::Array3;

    fn voxels() -> Array3<f32> {
        Array3::from_shape_fn((4, 5, 3), |(k, i, j)| (100 * k + 10 * i + j) as f32)
    }

    /// Writes the voxels as a file of this name.
    fn written(folder: &Path, name: &str, voxels: &Array3<f32>) -> PathBuf {
        let path = folder.join(name);
        let geometry = Geometry { spacing_mm: [2.5, 1.0, 1.0], ..Geometry::default() };
        let slice = |k: usize| Ok(voxels.index_axis(Axis(0), k).to_owned());
        let (slices, rows, cols) = voxels.dim();
        let shape = [slices, rows, cols];
        let stack = ImageStack { shape, geometry: &geometry, unit: Unit::Hounsfield, slice: &slice };
        write_stack(&path, &stack, &Source::Npy, &Provenance::default(), Overwrite::Refuse).expect("written");
        path
    }

    #[test]
    fn slices_are_those_of_the_whole_scan_in_any_order() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["a.npy", "b.nii", "c.nii.gz", "series"] {
            let path = written(folder.path(), name, &voxels());
            let whole = crate::read(&path).expect("readable");
            assert_eq!(shape(&path, None).expect("readable"), [4, 5, 3]);
            for kept in [0, 1000] {
                let reader = open_keeping(&path, kept, Selection::default()).expect("readable");
                assert_eq!(reader.shape(), [4, 5, 3], "{name}");
                assert_eq!((reader.geometry(), reader.unit()), (&whole.volume.geometry, whole.volume.unit));
                for k in [0, 2, 3, 1, 1] {
                    let image = reader.slice(k).expect("readable");
                    assert_eq!(image, whole.volume.voxels.index_axis(Axis(0), k), "{name} {kept} {k}");
                }
                assert_eq!(reader.range(), (0.0, 342.0));
            }
        }
    }

    #[test]
    #[cfg(unix)]
    fn an_image_asked_for_twice_is_read_once() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["b.nii", "c.nii.gz"] {
            let path = written(folder.path(), name, &voxels());
            let file = SlicesOfNifti::open(&path).expect("readable");
            let first = file.slice(1).expect("readable");
            // Whoever opens the file anew will not find it.
            std::fs::remove_file(&path).expect("removed");
            assert_eq!(file.slice(1).expect("kept"), first);
            assert_eq!(file.slice(3).expect("read forward"), voxels().index_axis(Axis(0), 3));
            assert!(file.slice(1).is_err());
        }
    }

    #[test]
    fn a_cut_keeps_its_place() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = written(folder.path(), "b.nii", &voxels());
        let whole = open_keeping(&path, 0, Selection::default()).expect("readable");
        let place = whole.geometry().slice_position_um(2);
        let part = whole.cut(2..4);
        assert_eq!((part.shape()[0], part.geometry().slice_position_um(0)), (2, place));
        assert_eq!(part.slice(0).expect("readable")[[0, 1]], 201.0);
        assert_eq!(part.range(), (200.0, 342.0));
    }

    #[test]
    fn values_that_are_no_numbers_are_replaced_if_asked() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut bad = voxels();
        bad[[3, 0, 0]] = f32::NAN;
        let volume = folder.path().join("volume.npy");
        npy::write_real(&volume, bad.view(), Overwrite::Refuse).expect("written");
        let image = folder.path().join("image.npy");
        npy::write_real(&image, bad.index_axis(Axis(0), 3), Overwrite::Refuse).expect("written");
        for (path, kept) in [(&volume, 0), (&volume, 1000), (&image, 1000)] {
            let reader =
                open_keeping(path, kept, Selection { nan_to: Some(-7.0), series: None }).expect("mended");
            let last = reader.shape()[0] - 1;
            assert_eq!(reader.slice(last).expect("readable")[[0, 0]], -7.0);
            assert_eq!((reader.range().0, reader.warnings().len()), (-7.0, 1));
        }
        bad[[0, 0, 0]] = f32::INFINITY;
        npy::write_real(&volume, bad.view(), Overwrite::Force).expect("written");
        let error = open_selected(&volume, Selection { nan_to: Some(0.0), series: None })
            .err()
            .map(|error| error.to_string());
        assert!(error.is_some_and(|text| text.contains("1 values are")));
    }

    #[test]
    fn damage_is_found_before_the_first_slice_is_used() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut bad = voxels();
        bad[[3, 0, 0]] = f32::NAN;
        let path = folder.path().join("bad.npy");
        npy::write_real(&path, bad.view(), Overwrite::Refuse).expect("written");
        let message =
            |path: &Path| open_keeping(path, 0, Selection::default()).err().map(|error| error.to_string());
        assert!(message(&path).is_some_and(|text| text.contains("1 values are NaN")));
        for name in ["cut.npy", "cut.nii", "cut.nii.gz"] {
            let path = written(folder.path(), name, &voxels());
            let bytes = std::fs::read(&path).expect("readable");
            std::fs::write(&path, &bytes[..bytes.len() - 20]).expect("written");
            assert!(message(&path).is_some_and(|text| text.contains("cut short")), "{name}");
        }
    }
}
