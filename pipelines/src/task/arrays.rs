//! Measured data in `.npy` arrays, with checked shapes.

use super::SliceRange;
use super::images::no_such_slices;
use crate::Refused;
use anyhow::Result;
use ndarray::{Array3, ArrayD, Axis, Ix2, Ix3, Slice};
use num_complex::Complex32;
use recon_data::{check_finite, npy};
use recon_operators::Mask;
use std::path::Path;

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
            let wanted = "an array of one slice, or of slices along the first axis";
            return Err(wrong_shape(path, &shape, wanted));
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
    Refused::Input(format!("{}: the shape is {found:?}; give {wanted}", path.display())).into()
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
        let path = path.display();
        return Err(Refused::Input(format!("{path}: keeps nothing; at least one entry must be true")).into());
    }
    Ok(mask)
}

/// Angles in radians from a `.npy` file in degrees.
///
/// # Errors
/// When it cannot be read or does not hold `views` finite numbers.
pub fn angles(path: &Path, views: usize) -> Result<Vec<f64>> {
    let degrees = npy::read_f64(path)?;
    if degrees.len() != views {
        let wanted = format!("as many angles as the sinogram has views, {views}");
        return Err(wrong_shape(path, degrees.shape(), &wanted));
    }
    if !degrees.iter().all(|angle| angle.is_finite()) {
        let path = path.display();
        return Err(Refused::Input(format!("{path}: holds angles that are not finite; correct them")).into());
    }
    Ok(degrees.iter().map(|angle| angle.to_radians()).collect())
}
