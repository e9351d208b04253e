//! Images to a stack: sorted along their normal, and refused where they are no even stack.

use super::frame::Frame;
use crate::{DataError, Geometry};
use std::path::Path;

/// Largest difference of direction cosines within a stack.
const COSINE_TOLERANCE: f64 = 1e-3;
/// Largest relative difference of gaps between slices; positions are often rounded to 0.01 mm.
const GAP_TOLERANCE: f64 = 0.05;
/// Largest sideways step per step along the normal: the tangent of 0.6 degrees.
const SHEAR_TOLERANCE: f64 = 0.01;

/// Images in order, and where they lie.
pub(super) struct Stack {
    /// Indices into the images given.
    pub(super) order: Vec<usize>,
    pub(super) geometry: Geometry,
    pub(super) warnings: Vec<String>,
}

/// Sorts the images of `path` and works out their geometry.
///
/// # Errors
/// [`DataError::Input`] for images of mixed size, spacing or orientation, without or with equal positions,
/// unevenly spaced, or sheared by a tilted gantry.
pub(super) fn stack(path: &Path, frames: &[Frame]) -> Result<Stack, DataError> {
    let Some(first) = frames.first() else {
        return Err(DataError::input(path, "holds no image", "give a DICOM image"));
    };
    check_alike(path, frames)?;
    let mut warnings = Vec::new();
    let (direction, normal) = directions(first, &mut warnings);
    let spacing = first.spacing.unwrap_or_else(|| {
        warnings.push("no pixel spacing in the file: 1 mm assumed".to_owned());
        [1.0, 1.0]
    });
    let (order, gap) = if frames.len() == 1 { (vec![0], None) } else { order(path, frames, normal)? };
    if let (Some(gap), Some(thickness)) = (gap, first.thickness)
        && gap > 3.0 * thickness
    {
        warnings.push(format!(
            "slices lie {gap:.1} mm apart and are {thickness:.1} mm thick: some may be missing"
        ));
    }
    let gap = gap.or(first.thickness).unwrap_or(1.0);
    let geometry = Geometry {
        spacing_mm: [gap, spacing[0], spacing[1]],
        origin_mm: frames[order[0]].position.unwrap_or_default(),
        direction,
    };
    Ok(Stack { order, geometry, warnings })
}

fn check_alike(path: &Path, frames: &[Frame]) -> Result<(), DataError> {
    let advice = "put the images of one orientation and size into a folder of their own";
    let refuse = |what: &str| Err(DataError::input(path, what, advice));
    let first = &frames[0];
    if frames.iter().any(|frame| (frame.rows, frame.columns) != (first.rows, first.columns)) {
        return refuse("holds images of different sizes");
    }
    let flat = |frame: &Frame| frame.orientation.map(|axes| axes.concat()).unwrap_or_default();
    let far = |a: &[f64], b: &[f64], tolerance: f64| {
        a.len() != b.len() || a.iter().zip(b).any(|(a, b)| (a - b).abs() > tolerance)
    };
    if frames.iter().any(|frame| far(&flat(frame), &flat(first), COSINE_TOLERANCE)) {
        return refuse("holds images of different orientations, perhaps a localizer among them");
    }
    let spacing = |frame: &Frame| frame.spacing.unwrap_or([0.0; 2]);
    let tolerance = 1e-3 * spacing(first)[0];
    if frames.iter().any(|frame| far(&spacing(frame), &spacing(first), tolerance)) {
        return refuse("holds images of different pixel spacing");
    }
    Ok(())
}

/// Directions of (slice, row, col); the first is the normal, so that the three are right-handed in LPS order.
fn directions(first: &Frame, warnings: &mut Vec<String>) -> ([[f64; 3]; 3], [f64; 3]) {
    let [row, column] = first.orientation.unwrap_or_else(|| {
        warnings.push("no orientation in the file: axial assumed".to_owned());
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    });
    let normal = [
        row[1] * column[2] - row[2] * column[1],
        row[2] * column[0] - row[0] * column[2],
        row[0] * column[1] - row[1] * column[0],
    ];
    ([normal, column, row], normal)
}

fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The order along the normal and the gap between slices.
fn order(path: &Path, frames: &[Frame], normal: [f64; 3]) -> Result<(Vec<usize>, Option<f64>), DataError> {
    let positions: Option<Vec<[f64; 3]>> = frames.iter().map(|frame| frame.position).collect();
    let Some(positions) = positions else {
        let what = format!("holds {} images without positions, so their order is unknown", frames.len());
        return Err(DataError::input(path, what, "give one image, or convert the series to NIfTI"));
    };
    let along: Vec<f64> = positions.iter().map(|&position| dot(position, normal)).collect();
    let mut order: Vec<usize> = (0..frames.len()).collect();
    order.sort_by(|&a, &b| along[a].total_cmp(&along[b]));
    let gaps: Vec<f64> = order.windows(2).map(|pair| along[pair[1]] - along[pair[0]]).collect();
    check_gaps(path, &gaps)?;
    let (first, last) = (order[0], order[order.len() - 1]);
    let length = along[last] - along[first];
    let sideways: [f64; 3] =
        std::array::from_fn(|axis| positions[last][axis] - positions[first][axis] - length * normal[axis]);
    let sideways = dot(sideways, sideways).sqrt();
    if sideways > SHEAR_TOLERANCE * length && sideways > 0.1 {
        let degrees = (sideways / length).atan().to_degrees();
        return Err(DataError::input(
            path,
            format!("is a sheared stack (gantry tilt of {degrees:.1} degrees)"),
            "give single slices, or resample it first, for example with dcm2niix",
        ));
    }
    Ok((order, Some(length / gaps.len() as f64)))
}

fn check_gaps(path: &Path, gaps: &[f64]) -> Result<(), DataError> {
    let mut sorted = gaps.to_vec();
    sorted.sort_by(f64::total_cmp);
    let typical = sorted[sorted.len() / 2];
    let equal = gaps.iter().filter(|&&gap| gap < 1e-3).count();
    if equal > 0 {
        return Err(DataError::input(
            path,
            format!("holds {equal} images at the position of another (echoes, time points or copies)"),
            "put one image per position into a folder",
        ));
    }
    let Some((at, gap)) =
        gaps.iter().enumerate().find(|(_, gap)| (*gap - typical).abs() > GAP_TOLERANCE * typical)
    else {
        return Ok(());
    };
    let what = if *gap > 1.5 * typical {
        let missing = (gap / typical).round() - 1.0;
        format!("lacks {missing} slices after slice {} (gap {gap:.2} mm, others {typical:.2} mm)", at + 1)
    } else {
        format!("is unevenly spaced (gap {gap:.2} mm after slice {}, others {typical:.2} mm)", at + 1)
    };
    Err(DataError::input(path, what, "complete the series, or give an evenly spaced part of it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(position: [f64; 3]) -> Frame {
        Frame {
            path: "x".into(),
            index: 0,
            rows: 2,
            columns: 3,
            spacing: Some([0.5, 0.6]),
            orientation: Some([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]),
            position: Some(position),
            thickness: Some(2.0),
            slope: 1.0,
            intercept: 0.0,
            has_rescale: true,
            padding: None,
            padding_is_air: false,
        }
    }

    fn message(positions: &[[f64; 3]]) -> String {
        let frames: Vec<Frame> = positions.iter().map(|&position| frame(position)).collect();
        stack(Path::new("series"), &frames).err().map_or_else(String::new, |error| error.to_string())
    }

    #[test]
    fn slices_are_sorted_along_the_normal() {
        let frames = [frame([1.0, 2.0, 7.5]), frame([1.0, 2.0, 2.5]), frame([1.0, 2.0, 5.0])];
        let stack = stack(Path::new("series"), &frames).unwrap();
        assert_eq!(stack.order, [1, 2, 0]);
        assert_eq!(stack.geometry.spacing_mm, [2.5, 0.5, 0.6]);
        assert_eq!(stack.geometry.origin_mm, [1.0, 2.0, 2.5]);
        assert_eq!(stack.geometry.direction[0], [0.0, 0.0, 1.0]);
    }

    #[test]
    fn uneven_stacks_are_refused() {
        let line = |z: &[f64]| message(&z.iter().map(|&z| [0.0, 0.0, z]).collect::<Vec<_>>());
        assert!(line(&[0.0, 1.0, 2.0, 4.0]).contains("lacks 1 slices after slice 3"));
        assert!(line(&[0.0, 1.0, 2.2, 3.2]).contains("unevenly spaced"));
        assert!(line(&[0.0, 1.0, 1.0]).contains("the position of another"));
        assert!(line(&[0.0, 1.0, 2.01]).is_empty());
        assert!(message(&[[0.0, 0.0, 0.0], [0.0, 1.0, 5.0]]).contains("gantry tilt of 11.3 degrees"));
    }

    #[test]
    fn mixed_stacks_are_refused() {
        let mut small = frame([0.0; 3]);
        small.rows = 4;
        let mut turned = frame([0.0; 3]);
        turned.orientation = Some([[0.0, 1.0, 0.0], [0.0, 0.0, -1.0]]);
        for other in [small, turned] {
            let error = stack(Path::new("series"), &[frame([0.0, 0.0, 1.0]), other]).err().unwrap();
            assert!(error.to_string().contains("different"));
        }
    }
}
