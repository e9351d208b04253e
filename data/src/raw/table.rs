//! The table of acquisitions of an ISMRMRD file.

use super::acquisition::{Acquisition, Record};
use super::hdf5::Hdf5;
use super::index::Misfit;
use crate::DataError;
use hdf5_reader::Dataset;
use num_complex::Complex32;

/// Records that are read together.
const TOGETHER: usize = 128;
pub(super) const ADVICE: &str = "export the measurement again, or convert it anew";

/// Acquisitions, one a record.
pub(super) struct Table {
    file: Hdf5,
    table: Dataset,
    record: Record,
}

impl Table {
    /// A data set of a file that is a table of acquisitions.
    pub(super) fn new(file: Hdf5, table: Dataset) -> Result<Self, DataError> {
        file.check_size(&table)?;
        let Some(record) = Record::of(table.dtype()) else {
            let what = "has a table that is not of acquisitions";
            return Err(DataError::input(file.path(), what, ADVICE));
        };
        Ok(Self { file, table, record })
    }

    /// The file.
    pub(super) fn file(&self) -> &Hdf5 {
        &self.file
    }

    pub(super) fn refuse(&self, what: String) -> DataError {
        DataError::input(self.file.path(), what, ADVICE)
    }

    pub(super) fn misfit(&self, place: usize, Misfit(why): &Misfit) -> DataError {
        self.refuse(format!("has a header that does not fit its acquisition {place}: {why}"))
    }

    /// Every acquisition, in the order of the table.
    pub(super) fn walk(
        &self,
        mut each: impl FnMut(usize, &Acquisition, &[u8]) -> Result<(), DataError>,
    ) -> Result<(), DataError> {
        let rows = self.table.shape().first().map_or(0, |&rows| usize::try_from(rows).unwrap_or(usize::MAX));
        let mut from = 0;
        while from < rows {
            let to = from.saturating_add(TOGETHER).min(rows);
            for (n, record) in self.file.records(&self.table, from, to)?.into_iter().enumerate() {
                each(from + n, &self.acquisition(from + n, &record.0)?, &record.0)?;
            }
            from = to;
        }
        Ok(())
    }

    fn acquisition(&self, place: usize, record: &[u8]) -> Result<Acquisition, DataError> {
        let acquisition = self.record.read(record);
        acquisition.ok_or_else(|| self.refuse(format!("has an acquisition {place} that makes no sense")))
    }

    /// Acquisitions by their places, which grow, with their samples, (coil, sample).
    pub(super) fn visit(
        &self,
        places: impl Iterator<Item = usize>,
        mut each: impl FnMut(usize, &Acquisition, &[Complex32]) -> Result<(), DataError>,
    ) -> Result<(), DataError> {
        let mut batch = (0, Vec::new());
        let rows = self.table.shape().first().map_or(0, |&rows| usize::try_from(rows).unwrap_or(usize::MAX));
        for (n, place) in places.enumerate() {
            if !(batch.0..batch.0 + batch.1.len()).contains(&place) {
                batch = (place, self.file.records(&self.table, place, rows.min(place + TOGETHER))?);
            }
            let record = &batch.1[place - batch.0].0;
            let acquisition = self.acquisition(place, record)?;
            each(n, &acquisition, &self.samples(place, record, &acquisition)?)?;
        }
        Ok(())
    }

    /// The samples of a record, one coil after another.
    fn samples(
        &self,
        place: usize,
        record: &[u8],
        acquisition: &Acquisition,
    ) -> Result<Vec<Complex32>, DataError> {
        let expected = 2 * acquisition.samples * acquisition.channels;
        let reference = self.record.reference(record).filter(|(_, count)| *count == expected);
        let Some((reference, _)) = reference else {
            return Err(self.refuse(format!("has other than {expected} numbers in acquisition {place}")));
        };
        let bytes = self.file.resolve(&self.table, reference, 4)?;
        let (floats, _) = bytes.as_chunks::<4>();
        if floats.len() != expected {
            return Err(self.refuse(format!("is cut short in acquisition {place}")));
        }
        let (pairs, _) = floats.as_chunks::<2>();
        Ok(pairs
            .iter()
            .map(|&[re, im]| Complex32::new(self.record.float(re), self.record.float(im)))
            .collect())
    }
}
