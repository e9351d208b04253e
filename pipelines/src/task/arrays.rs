//! Measured data in `.npy` arrays, with checked shapes.

use super::SliceRange;
use super::images::no_such_slices;
use crate::{PhaseAxisName, Refused};
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
    let (shape, stored_as) = npy::describe(path)?;
    if !stored_as.contains('c') && shape.len() > 2 && shape.last() == Some(&2) {
        let what = "real numbers with a last axis of 2, a real and an imaginary part";
        let advice = "join them to complex numbers: k[..., 0] + 1j * k[..., 1]";
        return Err(Refused::Input(format!("{}: holds {what}; {advice}", path.display())).into());
    }
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

/// A mask over `rows` × `cols`: one flag an entry, or one a line: `[cols]` or `[1, cols]` of columns, `[rows, 1]` of
/// rows, and of rows also `[rows]` where `axis` says so. Other axes of length 1 do not count.
///
/// # Errors
/// When it cannot be read, has another shape or keeps nothing.
pub fn mask(path: &Path, rows: usize, cols: usize, axis: Option<PhaseAxisName>) -> Result<Mask> {
    let flags = npy::read_mask(path)?;
    mask_of(&flags, (rows, cols), axis).map_err(|wrong| wrong.of(path))
}

/// Masks of all slices where the array has a slice axis before two more, else the one of [`mask`].
///
/// # Errors
/// As [`mask`], and when there are not as many masks as slices.
pub fn masks(
    path: &Path,
    (slices, rows, cols): (usize, usize, usize),
    (range, axis): (Option<SliceRange>, Option<PhaseAxisName>),
) -> Result<Vec<Mask>> {
    let flags = npy::read_mask(path)?;
    let shape = flags.shape().to_vec();
    if shape.len() != 3 || shape[0] == 1 || shape[1..] != [rows, cols] {
        return Ok(vec![mask_of(&flags, (rows, cols), axis).map_err(|wrong| wrong.of(path))?]);
    }
    let kept =
        range.map_or(Some(0..shape[0]), |range| range.within(shape[0])).filter(|kept| kept.len() == slices);
    let Some(kept) = kept else {
        return Err(wrong_shape(
            path,
            &shape,
            &format!("a mask of [{rows}, {cols}], or one for every slice"),
        ));
    };
    let one = |k: usize| mask_of(&flags.index_axis(Axis(0), k).to_owned(), (rows, cols), axis);
    kept.map(|k| one(k).map_err(|wrong| wrong.of(path))).collect()
}

/// Why an array is not a mask.
enum WrongMask {
    Shape(Vec<usize>, [usize; 2]),
    Empty,
}

impl WrongMask {
    fn of(self, path: &Path) -> anyhow::Error {
        match self {
            Self::Shape(shape, [rows, cols]) => {
                wrong_shape(path, &shape, &format!("a mask of [{rows}, {cols}] or [{cols}]"))
            }
            Self::Empty => {
                let path = path.display();
                Refused::Input(format!("{path}: keeps nothing; at least one entry must be true")).into()
            }
        }
    }
}

fn mask_of(
    flags: &ArrayD<bool>,
    (rows, cols): (usize, usize),
    axis: Option<PhaseAxisName>,
) -> Result<Mask, WrongMask> {
    let shape = flags.shape().to_vec();
    let flags: Vec<bool> = flags.iter().copied().collect();
    let long: Vec<usize> = shape.iter().copied().filter(|&length| length != 1).collect();
    let by_row = axis == Some(PhaseAxisName::Rows);
    let mask = match (&shape[..], &long[..]) {
        ([r, c], _) if (*r, *c) == (rows, cols) => Mask::new(flags),
        ([r, 1], _) if *r == rows => Mask::rows(&flags, cols),
        (_, [r, c]) if (*r, *c) == (rows, cols) => Mask::new(flags),
        (_, [r]) if by_row && *r == rows => Mask::rows(&flags, cols),
        (_, [c]) if !by_row && *c == cols => Mask::columns(rows, &flags),
        _ if flags.len() == rows * cols => Mask::new(flags),
        _ => return Err(WrongMask::Shape(shape, [rows, cols])),
    };
    if mask.count() == 0 { Err(WrongMask::Empty) } else { Ok(mask) }
}

/// Angles in radians from a `.npy` file in degrees.
///
/// # Errors
/// When it cannot be read or does not hold a finite number for every view of a sinogram (slice, angle, detector).
pub fn angles(path: &Path, (slices, views, detectors): (usize, usize, usize)) -> Result<Vec<f64>> {
    let degrees = npy::read_f64(path)?;
    if degrees.len() != views {
        let hint = match degrees.len() {
            count if count == detectors => " (it is [detector, angle]: transpose it)",
            count if count == slices => " (it is [angle, row, detector]: swap its first two axes)",
            _ => "",
        };
        let wanted = format!("as many angles as the sinogram has views, {views}{hint}");
        return Err(wrong_shape(path, degrees.shape(), &wanted));
    }
    if !degrees.iter().all(|angle| angle.is_finite()) {
        let path = path.display();
        return Err(Refused::Input(format!("{path}: holds angles that are not finite; correct them")).into());
    }
    Ok(degrees.iter().map(|angle| angle.to_radians()).collect())
}
