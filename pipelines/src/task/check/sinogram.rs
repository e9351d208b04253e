//! Sinograms as people have them.

use super::{median, variation};
use ndarray::{ArrayView2, ArrayView3, Axis, s};
use recon_operators::ParallelBeam;

/// How much the sums of views of one object differ by sampling and noise.
const EVEN: f64 = 0.05;
/// From this part of the largest value on, the ends of a view are not beside the object.
const TRUNCATED: f64 = 0.05;
/// Part of the largest value that air has at least where numbers count photons.
const AIR: f64 = 0.8;
/// Bins by which the axis may be off without harm.
const OFF_CENTRE: f64 = 0.75;
/// Largest relative difference of a view from its mirror image half a turn later.
const MIRRORED: f64 = 0.1;
/// Fewer views than this say little about an object.
const FEW: usize = 8;

/// What a sinogram (slice, angle, detector) looks like that makes no sense as one of this geometry; `told_angles` where
/// the angles are the user's.
pub(in crate::task) fn warnings(
    sinogram: &ArrayView3<'_, f32>,
    geometry: &ParallelBeam,
    told_angles: bool,
) -> Vec<String> {
    let slice = sinogram.index_axis(Axis(0), sinogram.len_of(Axis(0)) / 2);
    let mut warnings = Vec::new();
    if let Some(line) = layout(sinogram, &slice) {
        warnings.push(line);
        return warnings;
    }
    if looks_like_counts(&slice) {
        warnings.push(
            "the largest values lie beside the object, as those of counts or transmission do; give line integrals \
             -ln(counts / counts in air)"
                .to_owned(),
        );
        return warnings;
    }
    if slice.nrows() >= FEW {
        warnings.extend(dead_bins(&slice));
    }
    if is_truncated(&slice) {
        warnings.push(
            "the object is wider than the detector (projections are truncated); values are not quantitative"
                .to_owned(),
        );
        return warnings;
    }
    warnings.extend(off_centre(&slice, geometry));
    if !told_angles && is_whole_turn(&slice) {
        warnings.push(
            "the views look like those of a whole turn but are taken as half a turn; give their --angles"
                .to_owned(),
        );
    }
    warnings
}

/// The order of the axes: every view of a slice adds up to the same, as all of them see all of it.
fn layout(sinogram: &ArrayView3<'_, f32>, slice: &ArrayView2<'_, f32>) -> Option<String> {
    let sums = |axis: Axis| -> Vec<f64> {
        slice.axis_iter(axis).map(|line| line.iter().map(|&value| f64::from(value)).sum()).collect()
    };
    let (slices, views, _) = sinogram.dim();
    let views_first = || {
        let sum = |k: usize, row: usize| sinogram.slice(s![k, row, ..]).iter().map(|&v| f64::from(v)).sum();
        let of_rows: Vec<f64> = (0..views)
            .map(|row| variation(&(0..slices).map(|k| sum(k, row)).collect::<Vec<f64>>()))
            .collect();
        median(of_rows) < EVEN
    };
    let uneven = variation(&sums(Axis(0))) > 2.0 * EVEN;
    if slices >= FEW && (uneven || slices > 4 * views) && views_first() && views < slices {
        return Some(format!(
            "the array looks like [angle, row, detector], {slices} projections of {views} rows; give [slice, angle, \
             detector] (swap the first two axes)"
        ));
    }
    let turned = variation(&sums(Axis(1))) < EVEN;
    (uneven && turned).then(|| {
        "the array looks transposed, [detector, angle]: its columns have equal sums and its rows do not; give \
         [angle, detector]"
            .to_owned()
    })
}

/// The mean of the two values at each end, a view.
fn ends(slice: &ArrayView2<'_, f32>) -> Vec<[f64; 2]> {
    let mean = |values: ArrayView2<'_, f32>| f64::from(values.mean().unwrap_or(0.0));
    slice
        .axis_iter(Axis(0))
        .map(|view| {
            let view = view.insert_axis(Axis(0));
            let bins = view.ncols();
            let width = bins.min(2);
            [mean(view.slice(s![.., ..width])), mean(view.slice(s![.., bins - width..]))]
        })
        .collect()
}

fn largest(slice: &ArrayView2<'_, f32>) -> f64 {
    f64::from(slice.iter().copied().fold(0.0, f32::max))
}

/// Whether the brightest part of views is at their ends, and what is between is darker.
fn looks_like_counts(slice: &ArrayView2<'_, f32>) -> bool {
    let largest = largest(slice);
    let ends = ends(slice);
    let air = median(ends.iter().map(|end| end[0].min(end[1])).collect());
    let middle = median(slice.column(slice.ncols() / 2).iter().map(|&value| f64::from(value)).collect());
    largest > 0.0 && slice.iter().all(|&value| value >= 0.0) && air > AIR * largest && middle < AIR * air
}

/// Whether most views are cut off at one end at least.
fn is_truncated(slice: &ArrayView2<'_, f32>) -> bool {
    let largest = largest(slice);
    let worst = ends(slice).iter().map(|end| end[0].max(end[1])).collect();
    largest > 0.0 && median(worst) > TRUNCATED * largest
}

/// Bins that say nothing in any view, between bins that do.
fn dead_bins(slice: &ArrayView2<'_, f32>) -> Option<String> {
    let energy: Vec<f64> = slice
        .axis_iter(Axis(1))
        .map(|bin| bin.iter().map(|&value| f64::from(value.abs())).sum::<f64>() / slice.nrows() as f64)
        .collect();
    let typical = TRUNCATED * energy.iter().copied().fold(0.0, f64::max);
    let strong = |energy: &f64| *energy > typical;
    let (first, last) = (energy.iter().position(strong)?, energy.iter().rposition(strong)?);
    let dead: Vec<String> =
        (first..last).filter(|&bin| energy[bin] == 0.0).map(|bin| bin.to_string()).collect();
    (!dead.is_empty()).then(|| {
        format!("detector bins {} are zero in all views; leave them out with --mask", dead.join(", "))
    })
}

/// Where the axis of rotation is: the centre of mass of a view is `a + b cos θ + c sin θ`.
fn off_centre(slice: &ArrayView2<'_, f32>, geometry: &ParallelBeam) -> Option<String> {
    let mut normal = [[0.0; 3]; 3];
    let mut right = [0.0; 3];
    for (view, angle) in slice.axis_iter(Axis(0)).zip(&geometry.angles) {
        let mass: f64 = view.iter().map(|&value| f64::from(value)).sum();
        let moment: f64 = view.iter().enumerate().map(|(bin, &value)| bin as f64 * f64::from(value)).sum();
        if mass <= 0.0 {
            return None;
        }
        let basis = [1.0, angle.cos(), angle.sin()];
        for (row, &a) in basis.iter().enumerate() {
            right[row] += a * moment / mass;
            basis.iter().enumerate().for_each(|(col, &b)| normal[row][col] += a * b);
        }
    }
    let axis = solve(normal, right)?[0];
    let off = axis - geometry.axis_bin();
    (slice.nrows() >= FEW && off.abs() > OFF_CENTRE).then(|| {
        format!(
            "the axis of rotation seems to fall on bin {axis:.1} and not on {:.1}, {:.1} bins off the middle; give \
             --center {axis:.1} if that is so",
            geometry.axis_bin(),
            off.abs()
        )
    })
}

/// Cramer's rule; none for angles that all look the same way.
fn solve(m: [[f64; 3]; 3], right: [f64; 3]) -> Option<[f64; 3]> {
    let determinant = |m: &[[f64; 3]; 3]| {
        m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1]) - m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0])
            + m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0])
    };
    let whole = determinant(&m);
    // Of n views spread over half a turn it is about n³/4.
    if whole.abs() < 1e-3 * m[0][0].powi(3) {
        return None;
    }
    Some(std::array::from_fn(|column| {
        let mut replaced = m;
        (0..3).for_each(|row| replaced[row][column] = right[row]);
        determinant(&replaced) / whole
    }))
}

/// Whether the second half of the views are the first, mirrored, and views differ from one another.
fn is_whole_turn(slice: &ArrayView2<'_, f32>) -> bool {
    let (views, bins) = slice.dim();
    if views < 2 * FEW || views % 2 != 0 {
        return false;
    }
    let distance = |shift: usize, mirrored: bool| {
        let (mut squares, mut energy) = (0.0, 0.0);
        for view in 0..views / 2 {
            for bin in 0..bins {
                let other = slice[[view + shift, if mirrored { bins - 1 - bin } else { bin }]];
                squares += f64::from(slice[[view, bin]] - other).powi(2);
                energy += f64::from(other).powi(2);
            }
        }
        (squares / energy.max(f64::MIN_POSITIVE)).sqrt()
    };
    distance(views / 2, true) < MIRRORED && distance(views / 4, false) > 2.0 * MIRRORED
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, Array3};
    use recon_operators::{Filter, LinearOperator, Radon};
    use std::f64::consts::PI;

    const SIDE: usize = 48;

    /// Two discs, one beside the middle.
    fn phantom() -> Array2<f32> {
        let disc = |i: usize, j: usize, y: f32, x: f32, r: f32| (i as f32 - y).hypot(j as f32 - x) < r;
        Array2::from_shape_fn((SIDE, SIDE), |(i, j)| {
            f32::from(u8::from(disc(i, j, 24.0, 22.0, 15.0))) * 0.02
                + f32::from(u8::from(disc(i, j, 18.0, 28.0, 4.0))) * 0.02
        })
    }

    fn measured(geometry: &ParallelBeam) -> Array2<f32> {
        Radon::new(geometry.clone(), Filter::Ramp).unwrap().forward(&phantom())
    }

    fn beam(views: usize) -> ParallelBeam {
        ParallelBeam::equally_spaced(SIDE, SIDE, 1.0, views)
    }

    fn of(sinogram: &Array2<f32>, geometry: &ParallelBeam) -> Vec<String> {
        warnings(&sinogram.view().insert_axis(Axis(0)), geometry, false)
    }

    fn only(found: &[String], word: &str) {
        assert!(found.len() == 1 && found[0].contains(word), "{word}: {found:?}");
    }

    #[test]
    fn good_sinograms_bring_no_warning() {
        for views in [1, 7, 23, 90, 180] {
            assert_eq!(of(&measured(&beam(views)), &beam(views)), Vec::<String>::new(), "{views}");
        }
        let stack = Array3::from_shape_fn((12, 23, beam(23).detectors), |(k, view, bin)| {
            measured(&beam(23))[[view, bin]] * (1.0 + k as f32 / 10.0)
        });
        assert_eq!(warnings(&stack.view(), &beam(23), false), Vec::<String>::new());
        let wide = ParallelBeam { detectors: 101, ..beam(60) };
        assert_eq!(of(&measured(&wide), &wide), Vec::<String>::new());
    }

    #[test]
    fn counts_are_told_from_line_integrals() {
        for air in [1.0, 1e5] {
            let counts = measured(&beam(60)).mapv(|p| air * (-p).exp());
            only(&of(&counts, &beam(60)), "counts");
        }
    }

    #[test]
    fn swapped_axes_are_named() {
        for views in [40, 90, 68] {
            let turned = measured(&beam(views)).reversed_axes().as_standard_layout().into_owned();
            let geometry = ParallelBeam { detectors: views, ..beam(turned.nrows()) };
            only(&of(&turned, &geometry), "transposed");
        }
        let sinogram = measured(&beam(45));
        for rows in [2, 4, 9] {
            let projections = Array3::from_shape_fn((45, rows, sinogram.ncols()), |(view, row, bin)| {
                sinogram[[view, bin]] * (1.0 + 0.2 * row as f32)
            });
            only(&warnings(&projections.view(), &beam(rows), false), "[angle, row, detector]");
        }
    }

    #[test]
    fn an_axis_beside_the_middle_is_found() {
        for offset in [-4.0, 1.5, 3.0] {
            let off = ParallelBeam { axis_offset: offset, detectors: 81, ..beam(60) };
            let found = of(&measured(&off), &ParallelBeam { axis_offset: 0.0, ..off.clone() });
            only(&found, &format!("--center {:.1}", 40.0 + offset));
            assert_eq!(of(&measured(&off), &off), Vec::<String>::new());
        }
    }

    #[test]
    fn truncated_views_dead_bins_and_whole_turns_are_named() {
        let narrow = ParallelBeam { detectors: 21, ..beam(60) };
        only(&of(&measured(&narrow), &narrow), "truncated");
        let mut dead = measured(&beam(60));
        dead.column_mut(30).fill(0.0);
        only(&of(&dead, &beam(60)), "bins 30 are zero");
        let angles = (0..60).map(|view| view as f64 * 2.0 * PI / 60.0).collect();
        let whole = ParallelBeam { angles, ..beam(60) };
        let found = of(&measured(&whole), &beam(60));
        assert!(found.iter().any(|line| line.contains("--angles")), "{found:?}");
        assert_eq!(
            warnings(&measured(&whole).view().insert_axis(Axis(0)), &whole, true),
            Vec::<String>::new()
        );
    }
}
