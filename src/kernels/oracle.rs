//! Plain loops in double precision.

use super::images::Images;

/// `y[k, p] = b[k] + Σ w[k, c, d] x[c, p + d − side/2]`, zero outside; `side` is 1 or 3.
pub(super) fn conv(x: &[f32], images: Images, w: &[f32], b: &[f32], side: usize) -> Vec<f64> {
    let result = images.with_channels(b.len());
    let mut y = vec![0.0; result.len()];
    each_product(images, b.len(), side, |out, weight, input| {
        y[out] += f64::from(w[weight]) * f64::from(x[input]);
    });
    for (at, y) in y.iter_mut().enumerate() {
        *y += f64::from(b[at / images.pixels() % b.len()]);
    }
    y
}

/// The gradients of `Σ grad · conv(x)` by `x` and `w`.
pub(super) fn conv_gradients(
    x: &[f32],
    images: Images,
    w: &[f32],
    grad: &[f32],
    side: usize,
) -> (Vec<f64>, Vec<f64>) {
    let outputs = grad.len() / (images.batch * images.pixels());
    let (mut by_x, mut by_w) = (vec![0.0; x.len()], vec![0.0; w.len()]);
    each_product(images, outputs, side, |out, weight, input| {
        by_x[input] += f64::from(w[weight]) * f64::from(grad[out]);
        by_w[weight] += f64::from(x[input]) * f64::from(grad[out]);
    });
    (by_x, by_w)
}

/// Calls `visit(output, weight, input)` for every product of a convolution.
fn each_product(images: Images, outputs: usize, side: usize, mut visit: impl FnMut(usize, usize, usize)) {
    let result = images.with_channels(outputs);
    let half = side / 2;
    for (b, k) in (0..images.batch).flat_map(|b| (0..outputs).map(move |k| (b, k))) {
        for (c, t) in (0..images.channels).flat_map(|c| (0..side * side).map(move |t| (c, t))) {
            for (y, x) in (0..images.rows).flat_map(|y| (0..images.cols).map(move |x| (y, x))) {
                let (from_y, from_x) = (y + t / side, x + t % side);
                let inside = |p: usize, n: usize| p >= half && p - half < n;
                if inside(from_y, images.rows) && inside(from_x, images.cols) {
                    let input = images.plane(b, c) + (from_y - half) * images.cols + from_x - half;
                    let weight = (k * images.channels + c) * side * side + t;
                    visit(result.plane(b, k) + y * images.cols + x, weight, input);
                }
            }
        }
    }
}
