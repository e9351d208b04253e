//! Unique identifiers that the same run gives again: `2.25.` and a version 5 UUID as a decimal number.

use super::source::DicomSource;
use crate::{Provenance, Volume};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// The identifiers that all slices of a derived series share.
pub(super) struct Identity {
    pub(super) series: String,
    /// For a source without them.
    pub(super) study: String,
    pub(super) frame_of_reference: String,
}

impl Identity {
    /// From the seed, the source's series, the description of the run, the place and every voxel.
    pub(super) fn of(volume: &Volume, source: Option<&DicomSource>, provenance: &Provenance) -> Self {
        let slice = source.and_then(|source| source.slices.first());
        let from = slice.and_then(|slice| slice.series.clone()).unwrap_or_default();
        let seed = provenance.seed.to_string();
        let digest = digest(volume);
        // Study and frame of reference do not depend on the run where the source has a series to name.
        let origin = if from.is_empty() { digest.as_str() } else { from.as_str() };
        Self {
            series: uid(&["series", &seed, &from, &provenance.description, &digest]),
            study: uid(&["study", origin]),
            frame_of_reference: uid(&["frame of reference", origin]),
        }
    }

    /// The identifier of slice `index`.
    pub(super) fn instance(&self, index: usize) -> String {
        uid(&["instance", &self.series, &index.to_string()])
    }
}

fn digest(volume: &Volume) -> String {
    let mut hash = Sha256::new();
    let geometry = &volume.geometry;
    let numbers = [geometry.spacing_mm, geometry.origin_mm].into_iter().chain(geometry.direction).flatten();
    numbers.for_each(|number| hash.update(number.to_le_bytes()));
    volume.voxels.shape().iter().for_each(|&length| hash.update((length as u64).to_le_bytes()));
    volume.voxels.iter().for_each(|value| hash.update(value.to_le_bytes()));
    format!("{:?}", hash.finalize())
}

/// The identifier of these parts; it has at most 44 of the 64 characters allowed.
pub(super) fn uid(parts: &[&str]) -> String {
    let space = Uuid::new_v5(&Uuid::NAMESPACE_OID, b"recon");
    format!("2.25.{}", Uuid::new_v5(&space, parts.join("\0").as_bytes()).as_u128())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Geometry, Unit};
    use ndarray::Array3;

    #[test]
    fn the_same_run_has_the_same_identifiers() {
        let mut volume =
            Volume { voxels: Array3::zeros((1, 2, 2)), geometry: Geometry::default(), unit: Unit::Arbitrary };
        let provenance = Provenance::default();
        let series = |volume: &Volume, seed| {
            Identity::of(volume, None, &Provenance { seed, ..provenance.clone() }).series
        };
        let first = series(&volume, 0);
        assert!(first.len() <= 64 && first.starts_with("2.25."));
        assert_eq!(first, series(&volume, 0));
        assert_ne!(first, series(&volume, 1));
        volume.voxels[[0, 0, 0]] = 1.0;
        assert_ne!(first, series(&volume, 0));
        let identity = Identity::of(&volume, None, &provenance);
        assert_ne!(identity.instance(0), identity.instance(1));
    }
}
