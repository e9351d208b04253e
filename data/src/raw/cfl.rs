//! BART's `.cfl`: 32-bit complex numbers, little-endian, first dimension fastest; the lengths stand in a `.hdr` beside it.
//!
//! Dimensions, in the order of BART: 0 readout, 1 and 2 phase encoding, 3 coil, 4 maps, 5 echo, 6 and 7 coefficients, 8
//! iteration, 9 shift, 10 time, 11 second time, 12 level, 13 slice, 14 average, 15 batch.

use super::readout::Readout;
use super::slab::Slabs;
use super::{Frame, Kspace, Opened, PhaseAxis, RawInfo, pattern};
use crate::{DataError, open_regular, read_text};
use ndarray::Array3;
use num_complex::Complex32;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Dimensions of an array of BART.
pub(super) const DIMENSIONS: usize = 16;
pub(super) const COIL: usize = 3;
pub(super) const SLICE: usize = 13;
const ECHO: usize = 5;
const TIME: usize = 10;
const TIME_2: usize = 11;
const AVERAGE: usize = 14;
/// Bytes of a number.
const SIZE: usize = 8;
const LONGEST_HEADER: u64 = 1 << 16;
const ADVICE: &str = "copy both files again, or export the array again";

/// Whether a file is one half of a pair of BART.
pub(super) fn is_half(path: &Path) -> bool {
    let is = |ending: &str| path.extension().is_some_and(|found| found.eq_ignore_ascii_case(ending));
    let is_text = || {
        let mut start = [0];
        open_regular(path).and_then(|mut file| file.read_exact(&mut start)).is_ok() && start == *b"#"
    };
    is("cfl") || (is("hdr") && path.with_extension("cfl").is_file() && is_text())
}

/// An array of complex numbers in a file, in the order of BART.
struct Array {
    path: PathBuf,
    dims: [usize; DIMENSIONS],
    /// The dimensions of the plane (row, col); the readout comes before them where k-space is three-dimensional.
    plane: [usize; 2],
    slabs: Option<Slabs>,
}

/// Opens either half of a pair.
pub(super) fn open(path: &Path) -> Result<Opened, DataError> {
    let (data, header) = (path.with_extension("cfl"), path.with_extension("hdr"));
    let dims = dims_of(&header)?;
    let file = open_regular(&data).map_err(|source| DataError::unreadable(&data, source))?;
    let length = file.metadata().map_err(|source| DataError::unreadable(&data, source))?.len();
    check_length(&data, &dims, length)?;
    let long: Vec<usize> = (0..3).filter(|&axis| dims[axis] > 1).collect();
    let (plane, three_dimensional) = match long[..] {
        [row, col] => ([row, col], false),
        [_, row, col] => ([row, col], true),
        _ => {
            let what = format!("has no plane of samples (dimensions {dims:?})");
            return Err(DataError::input(
                &data,
                what,
                "give an array with two or three of dimensions 0 to 2",
            ));
        }
    };
    let mut array = Array { path: data, dims, plane, slabs: None };
    if three_dimensional {
        array.slabs = Some(Slabs::new(Readout::new(dims[0], dims[0]), array.plane_shape(), length));
    }
    array.opened()
}

/// The dimensions in a `.hdr`.
fn dims_of(header: &Path) -> Result<[usize; DIMENSIONS], DataError> {
    let text = read_text(header, LONGEST_HEADER).map_err(|source| DataError::unreadable(header, source))?;
    let wrong = |what: &str| {
        DataError::input(
            header,
            what,
            "it needs a line \"# Dimensions\" and the lengths in the line below it",
        )
    };
    let mut lines = text.lines().skip_while(|line| line.trim() != "# Dimensions");
    let line = lines.nth(1).ok_or_else(|| wrong("is not a header of BART"))?;
    let parsed: Result<Vec<usize>, _> = line.split_whitespace().map(str::parse).collect();
    let lengths = parsed.map_err(|_| wrong("has a dimension that is not a number"))?;
    if lengths.is_empty() || lengths.contains(&0) {
        return Err(wrong("has a dimension of length 0"));
    }
    let mut dims = [1; DIMENSIONS];
    for (at, &length) in lengths.iter().enumerate() {
        match dims.get_mut(at) {
            Some(dim) => *dim = length,
            None if length == 1 => {}
            None => return Err(wrong("has more than 16 dimensions")),
        }
    }
    Ok(dims)
}

fn check_length(data: &Path, dims: &[usize; DIMENSIONS], length: u64) -> Result<(), DataError> {
    let bytes = dims.iter().try_fold(SIZE as u64, |bytes, &n| bytes.checked_mul(n as u64));
    if bytes != Some(length) {
        let claimed = bytes.map_or_else(|| "more than any file".to_owned(), |bytes| format!("{bytes} bytes"));
        let what = format!("has {length} bytes, but its .hdr asks for {claimed}");
        return Err(DataError::input(data, what, ADVICE));
    }
    let known = [0, 1, 2, COIL, ECHO, TIME, TIME_2, SLICE, AVERAGE];
    if let Some(axis) = (0..DIMENSIONS).find(|axis| dims[*axis] > 1 && !known.contains(axis)) {
        let what = format!("has {} entries along dimension {axis}, which k-space has not", dims[axis]);
        return Err(DataError::input(data, what, "take one of them with bart slice"));
    }
    Ok(())
}

impl Array {
    fn opened(self) -> Result<Opened, DataError> {
        let dims = &self.dims;
        let [coils, rows, cols] = self.plane_shape();
        let frames = [ECHO, TIME, TIME_2, SLICE].map(|axis| dims[axis]).iter().product::<usize>();
        let positions = if self.slabs.is_some() { dims[0] } else { 1 };
        let shape = [frames * positions, coils, rows, cols];
        let mut info = RawInfo::plain("BART cfl", shape);
        (info.repetitions, info.averages) = (dims[TIME], dims[AVERAGE]);
        info.three_dimensional = self.slabs.is_some();
        if info.three_dimensional {
            info.phase_axis = PhaseAxis::Both;
            info.plan.push("the readout is transformed, and each position along it is a slice".to_owned());
        } else {
            let found = pattern::phase_axis(&pattern::sampled(&self.slice(0)?));
            let usual = if self.plane == [1, 2] { PhaseAxis::Both } else { PhaseAxis::Cols };
            info.phase_axis = found.unwrap_or(usual);
        }
        if info.averages > 1 {
            info.plan.push(format!("{} averages are summed", info.averages));
        }
        Ok(Opened { shape, info, kspace: Box::new(self) })
    }

    /// Axis lengths of a slice, (coil, row, col).
    fn plane_shape(&self) -> [usize; 3] {
        [self.dims[COIL], self.dims[self.plane[0]], self.dims[self.plane[1]]]
    }

    /// Numbers from the start of the file to the first of this frame and average.
    fn offset(&self, frame: Frame, average: usize) -> usize {
        let stride = |axis: usize| self.dims[..axis].iter().product::<usize>();
        let at = [
            (ECHO, frame.contrast),
            (TIME, frame.repetition),
            (TIME_2, frame.phase),
            (SLICE, frame.slice),
            (AVERAGE, average),
        ];
        at.iter().map(|&(axis, index)| index * stride(axis)).sum()
    }

    /// Frame number `k`, slices first.
    fn numbered(&self, k: usize) -> Frame {
        let mut left = k;
        let mut next = |axis: usize| {
            let index = left % self.dims[axis];
            left /= self.dims[axis];
            index
        };
        let (slice, contrast, phase, repetition) = (next(SLICE), next(ECHO), next(TIME_2), next(TIME));
        Frame { repetition, contrast, phase, set: 0, slice }
    }

    fn open_at(&self, number: usize) -> Result<File, DataError> {
        let place = SeekFrom::Start((number * SIZE) as u64);
        open_regular(&self.path)
            .and_then(|mut file| file.seek(place).map(|_| file))
            .map_err(|source| DataError::unreadable(&self.path, source))
    }

    /// The next `count` numbers.
    fn numbers(&self, file: &mut impl Read, count: usize) -> Result<Vec<Complex32>, DataError> {
        let mut bytes = vec![0; count * SIZE];
        file.read_exact(&mut bytes)
            .map_err(|_| DataError::input(&self.path, "is shorter than it was", ADVICE))?;
        let (pairs, _) = bytes.as_chunks::<SIZE>();
        let float = |raw: &[u8]| raw.first_chunk().map_or(0.0, |&raw| f32::from_le_bytes(raw));
        Ok(pairs.iter().map(|pair| Complex32::new(float(pair), float(&pair[4..]))).collect())
    }

    /// A slice that lies in the file as it is.
    fn stored(&self, frame: Frame) -> Result<Array3<Complex32>, DataError> {
        let [coils, rows, cols] = self.plane_shape();
        let mut sum = Array3::zeros((coils, rows, cols));
        for average in 0..self.dims[AVERAGE] {
            let mut file = self.open_at(self.offset(frame, average))?;
            for mut coil in sum.outer_iter_mut() {
                let plane = self.numbers(&mut file, rows * cols)?;
                for (n, value) in plane.into_iter().enumerate() {
                    coil[[n % rows, n / rows]] += value;
                }
            }
        }
        Ok(sum)
    }

    /// Every line of a frame along the readout.
    fn lines(&self, frame: Frame, take: super::slab::TakeLine<'_>) -> Result<(), DataError> {
        let [coils, rows, cols] = self.plane_shape();
        for average in 0..self.dims[AVERAGE] {
            let mut file = self.open_at(self.offset(frame, average))?;
            for n in 0..coils * cols {
                let block = self.numbers(&mut file, rows * self.dims[0])?;
                for (row, line) in block.chunks_exact(self.dims[0]).enumerate() {
                    take([n / cols, row, n % cols], &mut line.to_vec());
                }
            }
        }
        Ok(())
    }
}

impl Kspace for Array {
    fn slice(&self, k: usize) -> Result<Array3<Complex32>, DataError> {
        match &self.slabs {
            Some(slabs) => slabs.slice(k, |frame, take| self.lines(self.numbered(frame), take)),
            None => self.stored(self.numbered(k)),
        }
    }

    fn frame(&self, k: usize) -> Frame {
        if self.slabs.is_none() {
            return self.numbered(k);
        }
        Frame { slice: k % self.dims[0], ..self.numbered(k / self.dims[0]) }
    }
}
