//! The slices of a case that are finished, kept on disk until all of them are.

use super::{Options, SliceRecord, Solved};
use crate::{Map, Study};
use anyhow::{Context as _, Result};
use ndarray::{Array2, ArrayView2};
use recon_data::{DataError, SliceStore};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Finished slices with their maps and baselines.
pub(super) struct Kept {
    store: SliceStore,
    maps: Vec<Map>,
    baselines: Vec<&'static str>,
}

/// What is kept of a slice beside its images.
#[derive(Serialize, Deserialize)]
struct Entry {
    record: SliceRecord,
    /// Whether it was reconstructed; of a slice that was known nothing is uncertain.
    measured: bool,
    /// The largest value of the truth, where that is known.
    largest_truth: Option<f32>,
}

/// The name of the image in the store.
const IMAGE: &str = "image";

impl Kept {
    /// Opens the folder of an earlier run of the same `key`, or begins a new one.
    ///
    /// # Errors
    /// When the folder cannot be written, or holds slices of something else that are to be resumed.
    pub(super) fn open(
        folder: &Path,
        key: &str,
        options: &Options<'_>,
        (maps, baselines): (Vec<Map>, Vec<&'static str>),
    ) -> Result<Self> {
        let store = SliceStore::create_or_resume(folder, key, options.leftovers)?;
        Ok(Self { store, maps, baselines })
    }

    /// How many slices are finished, of so many; they are finished in order.
    pub(super) fn finished(&self, slices: usize) -> usize {
        (0..slices).find(|&k| !self.store.has(k)).unwrap_or(slices)
    }

    /// Keeps slice `k`.
    ///
    /// # Errors
    /// When it cannot be written, or the truth cannot be read.
    pub(super) fn put<S: Study>(&mut self, study: &S, k: usize, solved: &Solved) -> Result<()> {
        let truth = study.truth(k)?;
        let largest_truth = truth.map(|truth| truth.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        let measured = solved.record.data_residual.is_some();
        let entry = Entry { record: solved.record.clone(), measured, largest_truth };
        let wanted = |(map, _): &&(Map, Array2<f32>)| self.maps.contains(map);
        let maps = solved.maps.iter().filter(wanted).map(|(map, image)| (name(*map), image.view()));
        let baselines = self.baselines.iter().copied().zip(solved.baselines.iter().map(|image| image.view()));
        let images: Vec<(&str, ArrayView2<'_, f32>)> =
            std::iter::once((IMAGE, solved.image.view())).chain(maps).chain(baselines).collect();
        Ok(self.store.put(k, &images, &serde_json::to_value(entry)?)?)
    }

    fn entry(&self, k: usize) -> Result<Entry> {
        serde_json::from_value(self.store.record(k)?).context("a kept slice has an unknown record")
    }

    /// The image of slice `k`.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn image(&self, k: usize) -> Result<Array2<f32>, DataError> {
        self.store.image(k, IMAGE)
    }

    /// A map of slice `k`: of a slice that was known the quantiles are the image itself, and nothing deviates.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn map(&self, k: usize, map: Map) -> Result<Array2<f32>, DataError> {
        if self.store.record(k)?["measured"] == true {
            return self.store.image(k, name(map));
        }
        let image = self.image(k)?;
        Ok(match map {
            Map::Low | Map::High => image,
            Map::Std | Map::NullSpace => Array2::zeros(image.raw_dim()),
        })
    }

    /// The names of the baselines, the strongest last.
    pub(super) fn baselines(&self) -> &[&'static str] {
        &self.baselines
    }

    /// What a baseline found of slice `k`.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn baseline(&self, k: usize, name: &str) -> Result<Array2<f32>> {
        Ok(self.store.image(k, name)?)
    }

    /// What the first so many slices took.
    ///
    /// # Errors
    /// When a record cannot be read.
    pub(super) fn records(&self, slices: usize) -> Result<Vec<SliceRecord>> {
        (0..slices).map(|k| Ok(self.entry(k)?.record)).collect()
    }

    /// The largest value of the truth of the first so many slices; none where it is not known.
    ///
    /// # Errors
    /// When a record cannot be read.
    pub(super) fn largest_truth(&self, slices: usize) -> Result<Option<f32>> {
        let mut largest: Option<f32> = None;
        for k in 0..slices {
            let Some(value) = self.entry(k)?.largest_truth else { return Ok(None) };
            largest = Some(largest.map_or(value, |largest| largest.max(value)));
        }
        Ok(largest)
    }

    /// Deletes the folder: the result is written.
    ///
    /// # Errors
    /// When it cannot be deleted.
    pub(super) fn remove(self) -> Result<()> {
        Ok(self.store.remove()?)
    }
}

/// The name of a map in the store.
fn name(map: Map) -> &'static str {
    match map {
        Map::Std => "std",
        Map::Low => "low",
        Map::High => "high",
        Map::NullSpace => "null-space",
    }
}
