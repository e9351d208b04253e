//! Inputs as the commands need them: stacks of slices with checked shapes.

use super::context::Context;
use super::failure::Failure;
use super::values::SliceRange;
use anyhow::Result;
use ndarray::{Array3, ArrayD, Axis, Ix2, Ix3, Slice};
use num_complex::Complex32;
use recon_data::{Geometry, Scan, Source, Unit, Volume, check_finite, npy};
use recon_operators::Mask;
use std::path::Path;

/// Reads a scan, or the `slices` of it.
///
/// # Errors
/// When it cannot be read or has no such slices.
pub fn scan(path: &Path, slices: Option<SliceRange>, context: &Context) -> Result<Scan> {
    let mut scan = recon_data::read(path)?;
    for warning in &scan.warnings {
        context.say(&format!("{}: {warning}", path.display()));
    }
    if let Some(range) = slices {
        scan.volume = cut(&scan.volume, range, path)?;
    }
    Ok(scan)
}

/// The `range` of a volume's slices, where they lie.
///
/// # Errors
/// When it has no such slices.
pub fn cut(volume: &Volume, range: SliceRange, path: &Path) -> Result<Volume> {
    let slices = volume.voxels.len_of(Axis(0));
    let kept = range.within(slices).ok_or_else(|| no_such_slices(path, range, slices))?;
    let mut geometry = volume.geometry.clone();
    let shift = kept.start as f64 * geometry.spacing_mm[0];
    for (origin, direction) in geometry.origin_mm.iter_mut().zip(geometry.direction[0]) {
        *origin += shift * direction;
    }
    let voxels = volume.voxels.slice_axis(Axis(0), Slice::from(kept)).to_owned();
    Ok(Volume { voxels, geometry, unit: volume.unit })
}

fn no_such_slices(path: &Path, range: SliceRange, slices: usize) -> Failure {
    Failure::Usage(format!("--slices {range}: {} has slices 0..{slices}; choose within them", path.display()))
}

/// Side of a pixel in mm; `.npy` arrays take `spacing`, which no other kind may be given.
///
/// # Errors
/// When pixels are not square, which parallel-beam projection needs.
pub fn square_spacing(scan: &mut Scan, spacing: Option<f64>, path: &Path) -> Result<f32> {
    let sides = &mut scan.volume.geometry.spacing_mm;
    match (spacing, &scan.source) {
        (Some(side), Source::Npy) => (sides[1], sides[2]) = (side, side),
        (Some(_), _) => {
            let message = format!("--spacing: {} has its own spacing; leave the option out", path.display());
            return Err(Failure::Usage(message).into());
        }
        (None, _) => {}
    }
    let [_, row, col] = *sides;
    if (row - col).abs() > 1e-3 * row.max(col) {
        let message = format!(
            "{}: pixels of {row} x {col} mm are not square; resample the image first",
            path.display()
        );
        return Err(Failure::Input(message).into());
    }
    Ok(col as f32)
}

/// A real array of one slice (two axes) or several (slices first).
///
/// # Errors
/// When it cannot be read or has another number of axes.
pub fn real_stack(path: &Path, slices: Option<SliceRange>) -> Result<Array3<f32>> {
    let array = npy::read_real(path)?;
    check_finite(path, array.iter())?;
    stack(array, path, slices)
}

/// A complex array of one slice (two axes) or several (slices first).
///
/// # Errors
/// When it cannot be read or has another number of axes.
pub fn complex_stack(path: &Path, slices: Option<SliceRange>) -> Result<Array3<Complex32>> {
    let array = npy::read_complex(path)?;
    check_finite(path, array.iter().flat_map(|value| [&value.re, &value.im]))?;
    stack(array, path, slices)
}

fn stack<A: Clone>(array: ArrayD<A>, path: &Path, slices: Option<SliceRange>) -> Result<Array3<A>> {
    let shape = array.shape().to_vec();
    let stack = match shape.len() {
        2 => array.into_dimensionality::<Ix2>()?.insert_axis(Axis(0)),
        3 => array.into_dimensionality::<Ix3>()?,
        _ => {
            return Err(wrong_shape(
                path,
                &shape,
                "an array of one slice, or of slices along the first axis",
            ));
        }
    };
    if shape.contains(&0) {
        return Err(wrong_shape(path, &shape, "an array that is not empty"));
    }
    let Some(range) = slices else { return Ok(stack) };
    let count = stack.len_of(Axis(0));
    let kept = range.within(count).ok_or_else(|| no_such_slices(path, range, count))?;
    Ok(stack.slice_axis(Axis(0), Slice::from(kept)).to_owned())
}

/// Whether an input is a `.npy` array with a slice axis. What comes of it keeps that axis; one image stays one.
pub fn has_slice_axis(path: &Path) -> bool {
    npy::describe(path).is_ok_and(|(shape, _)| shape.len() == 3)
}

/// A stack as it is written: without its slice axis where it is one image.
pub fn squeezed<A>(stack: Array3<A>, keep_axis: bool) -> ArrayD<A> {
    if stack.len_of(Axis(0)) == 1 && !keep_axis {
        stack.index_axis_move(Axis(0), 0).into_dyn()
    } else {
        stack.into_dyn()
    }
}

/// The failure of an array that has another shape than is needed.
pub fn wrong_shape(path: &Path, found: &[usize], wanted: &str) -> anyhow::Error {
    Failure::Input(format!("{}: the shape is {found:?}; give {wanted}", path.display())).into()
}

/// A mask over `rows` × `cols`: one flag an entry, or one a column (`[cols]` or `[1, cols]`) or one a row
/// (`[rows, 1]`).
///
/// # Errors
/// When it cannot be read, has another shape or keeps nothing.
pub fn mask(path: &Path, rows: usize, cols: usize) -> Result<Mask> {
    let flags = npy::read_mask(path)?;
    let shape = flags.shape().to_vec();
    let flags: Vec<bool> = flags.iter().copied().collect();
    let mask = match shape[..] {
        [r, c] if (r, c) == (rows, cols) => Mask::new(flags),
        [c] | [1, c] if c == cols => Mask::columns(rows, &flags),
        [r, 1] if r == rows => Mask::rows(&flags, cols),
        _ => return Err(wrong_shape(path, &shape, &format!("a mask of [{rows}, {cols}] or [{cols}]"))),
    };
    if mask.count() == 0 {
        return Err(Failure::Input(format!(
            "{}: keeps nothing; at least one entry must be true",
            path.display()
        ))
        .into());
    }
    Ok(mask)
}

/// The reference of `--reference`, which must have the shape of the result.
///
/// # Errors
/// When it cannot be read or has another shape.
pub fn reference(path: &Path, unit: Unit, shape: &[usize], slices: Option<SliceRange>) -> Result<Volume> {
    let mut volume = recon_data::read(path)?.volume;
    if volume.voxels.shape() != shape
        && let Some(range) = slices
    {
        volume = cut(&volume, range, path)?;
    }
    if volume.voxels.shape() != shape {
        return Err(wrong_shape(path, volume.voxels.shape(), &format!("a reference of {shape:?}")));
    }
    volume.unit = unit;
    Ok(volume)
}

/// Geometry of images that come without one: square pixels of `spacing` mm, slices 1 mm apart.
pub fn plain_geometry(spacing: f64) -> Geometry {
    Geometry { spacing_mm: [1.0, spacing, spacing], ..Geometry::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_slice_keeps_its_place() {
        let voxels = Array3::from_shape_fn((4, 2, 2), |(k, _, _)| k as f32);
        let geometry = Geometry { spacing_mm: [2.5, 1.0, 1.0], ..Geometry::default() };
        let volume = Volume { voxels, geometry, unit: Unit::Arbitrary };
        let part = cut(&volume, SliceRange { first: 2, end: Some(3) }, Path::new("v.npy")).expect("inside");
        assert_eq!(part.voxels[[0, 0, 0]], 2.0);
        assert_eq!(part.geometry.slice_position_um(0), volume.geometry.slice_position_um(2));
        assert!(cut(&volume, SliceRange { first: 4, end: None }, Path::new("v.npy")).is_err());
    }
}
