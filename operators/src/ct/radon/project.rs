//! The exact strip projector and its transpose.

use super::ParallelBeam;
use super::footprint::{Edges, accumulate_cells, knot_count};
use ndarray::{Array2, ArrayView2, Axis, Zip};
use rayon::prelude::*;

/// One angle, described along the lines of the image (rows or columns) that it crosses more steeply.
///
/// At position p along a line of offset q, `s = (p·along + q·across)·spacing` on a detector that is
/// reversed when `flipped`, with `along ≥ 1/√2`.
#[derive(Clone, Debug)]
pub(super) struct View {
    columns: bool,
    flipped: bool,
    along: f64,
    across: f64,
}

impl View {
    pub(super) fn new(angle: f64) -> Self {
        let (sin, cos) = angle.sin_cos();
        let columns = sin.abs() > cos.abs();
        // Down a column y falls, hence the sign.
        let (along, across) = if columns { (-sin, cos) } else { (cos, sin) };
        let flipped = along < 0.0;
        Self { columns, flipped, along: along.abs(), across: if flipped { -across } else { across } }
    }

    /// Offset of line `index`: y of a row, x of a column, in pixels.
    fn offset(&self, geometry: &ParallelBeam, index: usize) -> f64 {
        if self.columns {
            index as f64 - (geometry.cols as f64 - 1.0) / 2.0
        } else {
            (geometry.rows as f64 - 1.0) / 2.0 - index as f64
        }
    }

    /// The bin of the axis on the detector as this view has it.
    fn axis_bin(&self, geometry: &ParallelBeam) -> f64 {
        let bin = geometry.axis_bin();
        if self.flipped { geometry.detectors as f64 - 1.0 - bin } else { bin }
    }

    fn line_length(&self, geometry: &ParallelBeam) -> f64 {
        (if self.columns { geometry.rows } else { geometry.cols }) as f64
    }

    /// The edges of the bins, in pixels along line `index`.
    fn bins_on_pixels(&self, geometry: &ParallelBeam, index: usize) -> Edges {
        let bin = f64::from(geometry.detector_spacing) / f64::from(geometry.spacing);
        let centre = -self.offset(geometry, index) * self.across / self.along;
        let step = bin / self.along;
        Edges {
            start: centre - (self.axis_bin(geometry) + 0.5) * step + 0.5 * self.line_length(geometry),
            step,
            half_width: 0.5 * (self.across / self.along).abs(),
        }
    }

    /// The edges of the pixels of line `index`, in bins.
    fn pixels_on_bins(&self, geometry: &ParallelBeam, index: usize) -> Edges {
        let pixel = f64::from(geometry.spacing) / f64::from(geometry.detector_spacing);
        let centre = self.offset(geometry, index) * self.across * pixel;
        let step = self.along * pixel;
        Edges {
            start: centre - 0.5 * self.line_length(geometry) * step + self.axis_bin(geometry) + 0.5,
            step,
            half_width: 0.5 * self.across.abs() * pixel,
        }
    }
}

/// `A x`: parallel over angles; every angle adds up its lines in order, whatever the number of threads.
pub(super) fn forward(geometry: &ParallelBeam, views: &[View], image: &Array2<f32>) -> Array2<f32> {
    let rows = lines_if(views.iter().any(|view| !view.columns), &image.view());
    let columns = lines_if(views.iter().any(|view| view.columns), &image.t());
    let bins = geometry.detectors;
    let scale = f64::from(geometry.spacing).powi(2) / f64::from(geometry.detector_spacing);
    let mut sinogram = vec![0.0; views.len() * bins];
    sinogram.par_chunks_mut(bins).zip(views).for_each_init(
        || vec![0.0; bins],
        |sums, (projection, view)| {
            sums.fill(0.0);
            let lines = if view.columns { &columns } else { &rows };
            for (index, knots) in lines.outer_iter().enumerate() {
                let knots = knots.to_slice().unwrap_or_default();
                view.bins_on_pixels(geometry, index).accumulate(knots, scale, sums);
            }
            store(sums, projection, view.flipped);
        },
    );
    Array2::from_shape_vec((views.len(), bins), sinogram).expect("one row of bins a view")
}

/// `Aᵀ y`: parallel over the rows (and columns) of the image, each adding up the angles in order.
pub(super) fn adjoint(geometry: &ParallelBeam, views: &[View], data: &Array2<f32>) -> Array2<f32> {
    let mut knots = Array2::zeros((views.len(), knot_count(geometry.detectors)));
    Zip::from(knots.outer_iter_mut()).and(data.outer_iter()).and(views).par_for_each(
        |mut knots, projection, view| {
            let knots = knots.as_slice_mut().unwrap_or_default();
            if view.flipped {
                accumulate_cells(projection.iter().rev().copied(), knots);
            } else {
                accumulate_cells(projection.iter().copied(), knots);
            }
        },
    );
    let mut image = smear(geometry, views, &knots, false);
    if views.iter().any(|view| view.columns) {
        image += &smear(geometry, views, &knots, true).t();
    }
    image
}

/// Lays the projections of all views of one kind back over their lines; axes (line, position).
fn smear(geometry: &ParallelBeam, views: &[View], knots: &Array2<f64>, columns: bool) -> Array2<f32> {
    let (lines, length) =
        if columns { (geometry.cols, geometry.rows) } else { (geometry.rows, geometry.cols) };
    let mut out = vec![0.0; lines * length];
    out.par_chunks_mut(length).enumerate().for_each_init(
        || vec![0.0; length],
        |sums, (index, line)| {
            sums.fill(0.0);
            for (view, knots) in
                views.iter().zip(knots.outer_iter()).filter(|(view, _)| view.columns == columns)
            {
                let knots = knots.to_slice().unwrap_or_default();
                let scale = f64::from(geometry.spacing) / view.along;
                view.pixels_on_bins(geometry, index).accumulate(knots, scale, sums);
            }
            store(sums, line, false);
        },
    );
    Array2::from_shape_vec((lines, length), out).expect("one row of pixels a line")
}

fn store(sums: &[f64], out: &mut [f32], reversed: bool) {
    if reversed {
        out.iter_mut().zip(sums.iter().rev()).for_each(|(value, &sum)| *value = sum as f32);
    } else {
        out.iter_mut().zip(sums).for_each(|(value, &sum)| *value = sum as f32);
    }
}

/// Cumulative sums along every row of `image`; nothing when no view needs them.
fn lines_if(needed: bool, image: &ArrayView2<f32>) -> Array2<f64> {
    let mut knots = Array2::zeros((if needed { image.nrows() } else { 0 }, knot_count(image.ncols())));
    knots.axis_iter_mut(Axis(0)).into_par_iter().zip(image.axis_iter(Axis(0)).into_par_iter()).for_each(
        |(mut knots, line)| accumulate_cells(line.iter().copied(), knots.as_slice_mut().unwrap_or_default()),
    );
    knots
}
