//! Unique identifiers that the same run gives again: `2.25.` and a version 5 UUID as a decimal number.

use super::source::DicomSource;
use crate::{Geometry, Provenance};
use ndarray::Array2;
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// The identifiers that all slices of a derived series share.
pub(super) struct Identity {
    pub(super) series: String,
    /// For a source without them.
    pub(super) study: String,
    pub(super) frame_of_reference: String,
    /// Of place and voxels.
    content: String,
}

impl Identity {
    /// From the seed, the source's series, what names the run, and the digest of place and voxels.
    ///
    /// Results of one run on images of one source series are one series, also when they are written one by one.
    pub(super) fn of(digest: Content, source: Option<&DicomSource>, provenance: &Provenance) -> Self {
        let slice = source.and_then(|source| source.slices.first());
        let from = slice.and_then(|slice| slice.series.clone()).unwrap_or_default();
        let seed = provenance.seed.to_string();
        let digest = format!("{:?}", digest.0.finalize());
        // Study and frame of reference do not depend on the run where the source has a series to name.
        let origin = if from.is_empty() { digest.as_str() } else { from.as_str() };
        Self {
            series: uid(&[
                "series",
                &seed,
                &from,
                &provenance.description,
                &provenance.series_description,
                &provenance.run,
                if from.is_empty() { &digest } else { "" },
            ]),
            study: uid(&["study", origin]),
            frame_of_reference: uid(&["frame of reference", origin]),
            content: digest.clone(),
        }
    }

    /// The identifier of slice `index`.
    pub(super) fn instance(&self, index: usize) -> String {
        uid(&["instance", &self.series, &self.content, &index.to_string()])
    }
}

/// The digest of where a stack lies and of every voxel.
pub(super) struct Content(Sha256);

impl Content {
    /// Of a stack of this place and shape without its voxels.
    pub(super) fn new(geometry: &Geometry, shape: [usize; 3]) -> Self {
        let mut hash = Sha256::new();
        let numbers =
            [geometry.spacing_mm, geometry.origin_mm].into_iter().chain(geometry.direction).flatten();
        numbers.for_each(|number| hash.update(number.to_le_bytes()));
        shape.iter().for_each(|&length| hash.update((length as u64).to_le_bytes()));
        Self(hash)
    }

    /// Adds the voxels of the next slice.
    pub(super) fn add(&mut self, slice: &Array2<f32>) {
        slice.iter().for_each(|value| self.0.update(value.to_le_bytes()));
    }
}

/// The identifier of these parts; it has at most 44 of the 64 characters allowed.
pub(super) fn uid(parts: &[&str]) -> String {
    let space = Uuid::new_v5(&Uuid::NAMESPACE_OID, b"recon");
    format!("2.25.{}", Uuid::new_v5(&space, parts.join("\0").as_bytes()).as_u128())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_run_has_the_same_identifiers() {
        let provenance = Provenance::default();
        let identity = |value: f32, seed| {
            let mut content = Content::new(&Geometry::default(), [1, 2, 2]);
            content.add(&Array2::from_elem((2, 2), value));
            Identity::of(content, None, &Provenance { seed, ..provenance.clone() })
        };
        let first = identity(0.0, 0).series;
        assert!(first.len() <= 64 && first.starts_with("2.25."));
        assert_eq!(first, identity(0.0, 0).series);
        assert_ne!(first, identity(0.0, 1).series);
        assert_ne!(first, identity(1.0, 0).series);
        let slices = identity(1.0, 0);
        assert_ne!(slices.instance(0), slices.instance(1));
    }
}
