//! Whether images lie on one grid.

use super::Images;
use super::arrays::wrong_shape;
use crate::Refused;
use anyhow::Result;
use recon_data::{Geometry, Source};
use std::path::Path;

/// How far apart voxels of one grid may be said to lie, in millimetres, and how far directions may point apart.
const SAME_PLACE: f64 = 1e-2;
const SAME_DIRECTION: f64 = 1e-3;

/// Refuses a repeat on another grid or in another unit; `.npy` arrays have no place.
pub(super) fn check_grid(first: &Images, other: &Images, (a, b): (&Path, &Path)) -> Result<()> {
    let wanted = format!("repeats of the shape of {}, {:?}", a.display(), first.shape());
    if first.shape() != other.shape() {
        return Err(wrong_shape(b, &other.shape(), &wanted));
    }
    let refused = |what: &str| {
        let (a, b) = (a.display(), b.display());
        Err(Refused::Input(format!("{b}: {what} than {a}; give repeats of one image on one grid")).into())
    };
    if matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b) {
        let message = format!("{}: is given twice; each repeat counts once", b.display());
        return Err(Refused::Usage(message).into());
    }
    if first.unit() != other.unit() {
        return refused("has another unit");
    }
    let have_place = ![first, other].iter().any(|images| matches!(images.source(), Source::Npy));
    match have_place.then(|| difference(first.geometry(), other.geometry())).flatten() {
        Some(what) => refused(what),
        None => Ok(()),
    }
}

/// In what two places differ.
fn difference(a: &Geometry, b: &Geometry) -> Option<&'static str> {
    let apart = |a: &[f64; 3], b: &[f64; 3], most: f64| a.iter().zip(b).any(|(a, b)| (a - b).abs() > most);
    if apart(&a.spacing_mm, &b.spacing_mm, SAME_PLACE) {
        return Some("has voxels of another size");
    }
    if apart(&a.origin_mm, &b.origin_mm, SAME_PLACE) {
        return Some("begins at another place");
    }
    let turned = a.direction.iter().zip(&b.direction).any(|(a, b)| apart(a, b, SAME_DIRECTION));
    turned.then_some("lies in another direction")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_differ_in_size_origin_or_direction() {
        let here = Geometry::default();
        assert_eq!(difference(&here, &here), None);
        let near = Geometry { origin_mm: [0.0, 1e-3, 0.0], ..here.clone() };
        assert_eq!(difference(&here, &near), None);
        let moved = Geometry { origin_mm: [0.0, 0.5, 0.0], ..here.clone() };
        assert_eq!(difference(&here, &moved), Some("begins at another place"));
        let coarse = Geometry { spacing_mm: [1.0, 1.0, 1.2], ..here.clone() };
        assert_eq!(difference(&here, &coarse), Some("has voxels of another size"));
        let mut turned = here.clone();
        turned.direction.swap(0, 1);
        assert_eq!(difference(&here, &turned), Some("lies in another direction"));
    }
}
