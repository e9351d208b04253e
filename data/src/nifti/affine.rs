//! Between NIfTI's ways to say where voxels lie (RAS) and [`Geometry`] (LPS).

use crate::Geometry;
use ::nifti::NiftiHeader;

/// Rows of the 3x4 matrix from voxel (i, j, k, 1) to RAS.
type Affine = [[f64; 4]; 3];

/// Where the voxels of a file lie: by the sform, else the qform, else the voxel size alone.
///
/// A shear, which a geometry cannot hold, is dropped: the axes keep their directions and lengths.
pub(super) fn geometry_of(header: &NiftiHeader) -> Geometry {
    let affine =
        [(header.sform_code > 0).then(|| sform(header)), (header.qform_code > 0).then(|| qform(header))];
    let affine = affine.into_iter().flatten().find(usable).unwrap_or_else(|| base(header));
    let millimetres = millimetres(header);
    let lps = |column: usize| [-affine[0][column], -affine[1][column], affine[2][column]];
    let mut geometry = Geometry { origin_mm: lps(3).map(|x| x * millimetres), ..Geometry::default() };
    for (axis, column) in [(0, 2), (1, 1), (2, 0)] {
        let step = lps(column);
        let length = step.iter().map(|x| x * x).sum::<f64>().sqrt();
        geometry.spacing_mm[axis] = length * millimetres;
        geometry.direction[axis] = step.map(|x| x / length);
    }
    geometry
}

/// Finite, with axes of a length.
fn usable(affine: &Affine) -> bool {
    let length = |column: usize| affine.iter().map(|row| row[column] * row[column]).sum::<f64>();
    affine.iter().flatten().all(|x| x.is_finite()) && (0..3).all(|column| length(column) > 0.0)
}

fn sform(header: &NiftiHeader) -> Affine {
    [header.srow_x, header.srow_y, header.srow_z].map(|row| row.map(f64::from))
}

/// Voxel size along (i, j, k); what cannot be a size counts as 1.
fn voxel_size(header: &NiftiHeader) -> [f64; 3] {
    std::array::from_fn(|axis| {
        let size = f64::from(header.pixdim[axis + 1]).abs();
        if size.is_finite() && size > 0.0 { size } else { 1.0 }
    })
}

fn base(header: &NiftiHeader) -> Affine {
    let size = voxel_size(header);
    std::array::from_fn(|row| std::array::from_fn(|column| if row == column { size[row] } else { 0.0 }))
}

/// `R(a, b, c, d) · diag(pixdim)`, the third axis turned by `pixdim[0]` (NIfTI-1, method 2).
fn qform(header: &NiftiHeader) -> Affine {
    let [b, c, d] = [header.quatern_b, header.quatern_c, header.quatern_d].map(f64::from);
    let length = b * b + c * c + d * d;
    // A turn of 180 degrees has a = 0, which rounding to 32 bits would make sqrt(1e-7); nifti_clib does the same.
    let (a, shrink) =
        if 1.0 - length < 1e-7 { (0.0, length.sqrt().recip()) } else { ((1.0 - length).sqrt(), 1.0) };
    let [b, c, d] = [b, c, d].map(|x| x * shrink);
    let rotation = [
        [a * a + b * b - c * c - d * d, 2.0 * (b * c - a * d), 2.0 * (b * d + a * c)],
        [2.0 * (b * c + a * d), a * a + c * c - b * b - d * d, 2.0 * (c * d - a * b)],
        [2.0 * (b * d - a * c), 2.0 * (c * d + a * b), a * a + d * d - b * b - c * c],
    ];
    let mut size = voxel_size(header);
    if header.pixdim[0] < 0.0 {
        size[2] = -size[2];
    }
    let offset = [header.quatern_x, header.quatern_y, header.quatern_z].map(f64::from);
    std::array::from_fn(|row| {
        std::array::from_fn(
            |column| if column < 3 { rotation[row][column] * size[column] } else { offset[row] },
        )
    })
}

/// Puts a geometry into a header: sform and qform (scanner), voxel size, millimetres.
pub(super) fn put_geometry(header: &mut NiftiHeader, geometry: &Geometry) {
    let ras = |v: [f64; 3]| [-v[0], -v[1], v[2]];
    let axes = [2, 1, 0].map(|axis| ras(geometry.direction[axis]));
    let size = [2, 1, 0].map(|axis| geometry.spacing_mm[axis]);
    let origin = ras(geometry.origin_mm);
    let row = |r: usize| {
        let entry = |c: usize| if c < 3 { axes[c][r] * size[c] } else { origin[r] };
        std::array::from_fn(|c| entry(c) as f32)
    };
    (header.srow_x, header.srow_y, header.srow_z) = (row(0), row(1), row(2));
    header.sform_code = 1;
    header.xyzt_units = 2;
    let (qfac, quaternion) = quaternion_of(axes);
    header.pixdim = [qfac, size[0] as f32, size[1] as f32, size[2] as f32, 0.0, 0.0, 0.0, 0.0];
    header.qform_code = i16::from(is_orthonormal(&axes));
    [header.quatern_b, header.quatern_c, header.quatern_d] = quaternion.map(|x| x as f32);
    [header.quatern_x, header.quatern_y, header.quatern_z] = origin.map(|x| x as f32);
}

/// Moves the origin of a header from that of one geometry to that of another, in its own unit.
pub(super) fn move_origin(header: &mut NiftiHeader, from: &Geometry, to: &Geometry) {
    let scale = millimetres(header);
    let step = |axis: usize, sign: f64| (sign * (to.origin_mm[axis] - from.origin_mm[axis]) / scale) as f32;
    let step = [step(0, -1.0), step(1, -1.0), step(2, 1.0)];
    if header.sform_code > 0 {
        header.srow_x[3] += step[0];
        header.srow_y[3] += step[1];
        header.srow_z[3] += step[2];
    }
    if header.qform_code > 0 {
        header.quatern_x += step[0];
        header.quatern_y += step[1];
        header.quatern_z += step[2];
    }
}

/// The length of the header's unit.
fn millimetres(header: &NiftiHeader) -> f64 {
    match header.xyzt_units & 7 {
        1 => 1000.0,
        3 => 0.001,
        _ => 1.0,
    }
}

/// Whether the header has an affine that cannot be one, so that another of its ways or the voxel size counts.
pub(super) fn is_degenerate(header: &NiftiHeader) -> bool {
    (header.sform_code > 0 && !usable(&sform(header))) || (header.qform_code > 0 && !usable(&qform(header)))
}

fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn is_orthonormal(axes: &[[f64; 3]; 3]) -> bool {
    (0..3).all(|m| (0..3).all(|n| (dot(axes[m], axes[n]) - f64::from(u8::from(m == n))).abs() < 1e-4))
}

/// `qfac` and (b, c, d) of the rotation whose columns are `axes`, the third one turned if they are left-handed.
///
/// The largest of a, b, c, d is taken from the trace and the others from it, which is stable for every rotation.
fn quaternion_of(mut axes: [[f64; 3]; 3]) -> (f32, [f64; 3]) {
    let [x, y, z] = axes;
    let cross = [x[1] * y[2] - x[2] * y[1], x[2] * y[0] - x[0] * y[2], x[0] * y[1] - x[1] * y[0]];
    let qfac = if dot(cross, z) < 0.0 { -1.0 } else { 1.0 };
    axes[2] = z.map(|value| value * f64::from(qfac));
    let r = |row: usize, column: usize| axes[column][row];
    let (d0, d1, d2) = (r(0, 0), r(1, 1), r(2, 2));
    let squares = [1.0 + d0 + d1 + d2, 1.0 + d0 - d1 - d2, 1.0 - d0 + d1 - d2, 1.0 - d0 - d1 + d2];
    let largest = (0..4).fold(0, |best, n| if squares[n] > squares[best] { n } else { best });
    let scale = 2.0 * squares[largest].max(0.0).sqrt();
    let (p, q, s) = (r(2, 1) - r(1, 2), r(0, 2) - r(2, 0), r(1, 0) - r(0, 1));
    let (u, v, w) = (r(0, 1) + r(1, 0), r(0, 2) + r(2, 0), r(1, 2) + r(2, 1));
    let [a, b, c, d] = match largest {
        0 => [scale / 4.0, p / scale, q / scale, s / scale],
        1 => [p / scale, scale / 4.0, u / scale, v / scale],
        2 => [q / scale, u / scale, scale / 4.0, w / scale],
        _ => [s / scale, v / scale, w / scale, scale / 4.0],
    };
    let sign = if a < 0.0 { -1.0 } else { 1.0 };
    (qfac, [b * sign, c * sign, d * sign])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distance(a: &Geometry, b: &Geometry) -> f64 {
        let flat = |g: &Geometry| {
            [g.spacing_mm, g.origin_mm, g.direction[0], g.direction[1], g.direction[2]].concat()
        };
        flat(a).iter().zip(flat(b)).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
    }

    #[test]
    fn qform_and_sform_say_the_same() {
        // Rotations by turns about each axis reach all four branches; the mirrored ones need qfac = -1.
        for turn in 0..24 {
            let angle = f64::from(turn % 8) * 0.77;
            let (s, c) = angle.sin_cos();
            let mut direction = match turn / 8 {
                0 => [[0.0, 0.0, 1.0], [s, c, 0.0], [c, -s, 0.0]],
                1 => [[s, 0.0, c], [0.0, 1.0, 0.0], [c, 0.0, -s]],
                _ => [[0.0, s, c], [0.0, c, -s], [1.0, 0.0, 0.0]],
            };
            if turn % 2 == 1 {
                direction[0] = direction[0].map(|x: f64| -x);
            }
            let geometry =
                Geometry { spacing_mm: [5.0, 0.7, 0.6], origin_mm: [-10.0, 20.0, 30.5], direction };
            let mut header = NiftiHeader::default();
            put_geometry(&mut header, &geometry);
            assert!(distance(&geometry_of(&header), &geometry) < 3e-6);
            header.sform_code = 0;
            // Near half turns the fourth component is the root of a difference of 32-bit floats.
            assert!(distance(&geometry_of(&header), &geometry) < 2e-3, "turn {turn}");
        }
    }

    #[test]
    fn units_become_millimetres_and_no_form_is_the_voxel_size() {
        let mut header =
            NiftiHeader { sform_code: 0, qform_code: 0, xyzt_units: 1, ..NiftiHeader::default() };
        header.pixdim = [1.0, 0.001, 0.002, 0.003, 0.0, 0.0, 0.0, 0.0];
        let spacing = geometry_of(&header).spacing_mm;
        assert!(spacing.iter().zip([3.0, 2.0, 1.0]).all(|(a, b)| (a - b).abs() < 1e-6), "{spacing:?}");
    }
}
