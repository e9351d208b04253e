//! HDF5 files, read with limits: what a file claims is held against its length, and panics of the decoder are caught.

use super::guard;
use super::lzf;
use super::sample::{Record, Sample};
use crate::error::whole_chain;
use crate::quiet::quietly;
use crate::{DataError, open_regular};
use hdf5_reader::error::Error;
use hdf5_reader::{
    Dataset, Datatype, FileStorage, FilterRegistry, H5Type, Hdf5File, OpenOptions, SliceInfo, SliceInfoElem,
};
use ndarray::ArrayD;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// h5py's LZF, by its registered number.
const LZF: u16 = 32000;
/// No compression of HDF5 makes a byte out of less than a thousandth.
const MOST_COMPRESSION: u64 = 1100;
/// Decoded chunks that are kept.
const CHUNK_CACHE: u64 = 8 << 20;
/// Objects of a group that are looked at.
const MOST_GROUPS: usize = 64;
const ADVICE: &str = "copy or download it again, or rewrite it with h5repack";

/// An open file.
pub(super) struct Hdf5 {
    path: PathBuf,
    length: u64,
    file: Hdf5File,
}

impl Hdf5 {
    /// Opens a file; only what is needed to find its root is read.
    pub(super) fn open(path: &Path) -> Result<Self, DataError> {
        let unreadable = |source| DataError::unreadable(path, source);
        let file = open_regular(path).map_err(unreadable)?;
        let length = file.metadata().map_err(unreadable)?.len();
        let opened = quietly(move || {
            let storage = FileStorage::from_file(file)?;
            Hdf5File::from_storage_with_options(Arc::new(storage), options(length))
        });
        Ok(Self { path: path.to_owned(), length, file: decoded(path, opened)? })
    }

    /// Its name.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Its length, bytes.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// A data set by its path in the file, if it is there.
    pub(super) fn dataset(&self, name: &str) -> Result<Option<Dataset>, DataError> {
        match quietly(|| self.file.dataset(name)) {
            Some(Err(error)) if is_absent(&error) => Ok(None),
            outcome => decoded(&self.path, outcome).map(Some),
        }
    }

    /// The first group of the root that has all of these data sets.
    pub(super) fn group_with(&self, members: &[&str]) -> Result<Option<String>, DataError> {
        let names = quietly(|| {
            let (groups, _) = self.file.root_group()?.member_names()?;
            Ok(groups)
        });
        for group in decoded(&self.path, names)?.into_iter().take(MOST_GROUPS) {
            let found = members.iter().map(|name| self.dataset(&format!("{group}/{name}")));
            if found.collect::<Result<Option<Vec<_>>, _>>()?.is_some() {
                return Ok(Some(group));
            }
        }
        Ok(None)
    }

    /// Refuses a data set that claims more than the file can hold.
    pub(super) fn check_size(&self, dataset: &Dataset) -> Result<(), DataError> {
        let bytes = quietly(|| dataset.raw_byte_len()).and_then(Result::ok).unwrap_or(usize::MAX) as u64;
        let times = if dataset.chunks().is_some() { MOST_COMPRESSION } else { 1 };
        if bytes <= self.length.saturating_mul(times) {
            return Ok(());
        }
        let (shape, length) = (dataset.shape(), self.length);
        let what = format!("claims {} of shape {shape:?} in {length} bytes", dataset.name());
        Err(DataError::input(&self.path, what, ADVICE))
    }

    /// Complex numbers of a part of a data set.
    pub(super) fn samples(&self, dataset: &Dataset, part: &SliceInfo) -> Result<ArrayD<Sample>, DataError> {
        self.part(dataset, part)
    }

    /// Real numbers of 32 bits of a part of a data set.
    pub(super) fn reals(&self, dataset: &Dataset, part: &SliceInfo) -> Result<ArrayD<f32>, DataError> {
        match dataset.dtype() {
            Datatype::FloatingPoint { size: 8, .. } => {
                Ok(self.part::<f64>(dataset, part)?.mapv(|value| value as f32))
            }
            _ => self.part(dataset, part),
        }
    }

    /// Elements `from..to` of a table, as bytes.
    pub(super) fn records(&self, table: &Dataset, from: usize, to: usize) -> Result<Vec<Record>, DataError> {
        let rows = SliceInfoElem::Slice { start: from as u64, end: to as u64, step: 1 };
        let mut selections = vec![rows];
        selections.resize(table.ndim(), SliceInfoElem::Index(0));
        let records = self.part::<Record>(table, &SliceInfo { selections })?;
        if records.len() != to - from {
            return Err(DataError::input(&self.path, "has a table that ends early", ADVICE));
        }
        Ok(records.into_iter().collect())
    }

    /// Integers or booleans or floats of a whole data set, as numbers.
    pub(super) fn numbers(&self, dataset: &Dataset) -> Result<Vec<f64>, DataError> {
        fn all<T: H5Type + Into<f64>>(file: &Hdf5, dataset: &Dataset) -> Result<Vec<f64>, DataError> {
            let values = file.part::<T>(dataset, &SliceInfo::all(dataset.ndim()))?;
            Ok(values.into_iter().map(Into::into).collect())
        }
        let dtype = match dataset.dtype() {
            Datatype::Enum { base, .. } => base.as_ref(),
            dtype => dtype,
        };
        match dtype {
            Datatype::FloatingPoint { size: 8, .. } => all::<f64>(self, dataset),
            Datatype::FloatingPoint { .. } => all::<f32>(self, dataset),
            _ => {
                let bytes = self.part::<Record>(dataset, &SliceInfo::all(dataset.ndim()))?;
                // Only whether a number is zero or one is asked, which its bytes tell in either order.
                Ok(bytes
                    .into_iter()
                    .map(|record| f64::from(record.0.iter().map(|&b| u32::from(b)).sum::<u32>()))
                    .collect())
            }
        }
    }

    /// The text of a data set.
    pub(super) fn text(&self, dataset: &Dataset) -> Result<String, DataError> {
        self.check_size(dataset)?;
        let strings = decoded(&self.path, quietly(|| dataset.read_strings()))?;
        Ok(strings.into_iter().next().unwrap_or_default())
    }

    /// Bytes that a variable-length member of a record points to: `count` numbers of `size` bytes.
    pub(super) fn resolve(
        &self,
        table: &Dataset,
        reference: &[u8],
        size: usize,
    ) -> Result<Vec<u8>, DataError> {
        let count = reference.first_chunk::<4>().map_or(0, |&raw| u32::from_le_bytes(raw));
        if u64::from(count).saturating_mul(size as u64) > self.length {
            let what = format!("has an acquisition that claims {count} numbers in {} bytes", self.length);
            return Err(DataError::input(&self.path, what, ADVICE));
        }
        decoded(&self.path, quietly(|| table.resolve_vlen_reference_bytes(reference, size)))
    }

    fn part<T: H5Type>(&self, dataset: &Dataset, part: &SliceInfo) -> Result<ArrayD<T>, DataError> {
        decoded(&self.path, quietly(|| dataset.read_slice::<T>(part)))
    }
}

fn options(length: u64) -> OpenOptions {
    let most = usize::try_from(guard::limit(length)).unwrap_or(usize::MAX);
    let mut filters = FilterRegistry::new();
    let unpack = move |data: &[u8]| {
        lzf::unpack(data, most).ok_or_else(|| Error::DecompressionError("LZF data make no sense".to_owned()))
    };
    filters.register(LZF, Box::new(move |_, data, _| unpack(data)));
    OpenOptions {
        chunk_cache_bytes: CHUNK_CACHE.min(length) as usize,
        max_read_bytes: most,
        max_chunk_bytes: most,
        max_object_header_bytes: usize::try_from(length).unwrap_or(usize::MAX).min(64 << 20),
        filter_registry: Some(filters),
        ..OpenOptions::default()
    }
}

fn is_absent(error: &Error) -> bool {
    match error {
        Error::DatasetNotFound(_) | Error::GroupNotFound(_) => true,
        Error::Context { source, .. } => is_absent(source),
        _ => false,
    }
}

/// What the decoder gave, or why it did not, in one line.
fn decoded<T>(path: &Path, outcome: Option<Result<T, Error>>) -> Result<T, DataError> {
    let damaged = |why: &str| {
        let why: String = why.chars().take(200).collect();
        DataError::input(path, format!("cannot be read as HDF5 ({why})"), ADVICE)
    };
    match outcome {
        Some(Ok(value)) => Ok(value),
        Some(Err(Error::Io(source))) => Err(DataError::unreadable(path, source)),
        Some(Err(error)) => Err(damaged(&whole_chain(&error))),
        None => Err(damaged("its structure makes no sense")),
    }
}
