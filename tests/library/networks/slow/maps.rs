//! Feature maps of one image, and the layers on them.

use recon::models::Nonlinearity;
use std::collections::HashMap;

/// Tensors by name, widened.
pub(crate) struct Weights(pub(crate) HashMap<String, Vec<f64>>);

impl Weights {
    pub(crate) fn get(&self, name: &str) -> &[f64] {
        self.0.get(name).unwrap_or_else(|| panic!("no tensor {name}"))
    }
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
}

/// `[channel, row, col]`
#[derive(Clone, Debug)]
pub(crate) struct Map {
    pub(crate) channels: usize,
    pub(crate) rows: usize,
    pub(crate) cols: usize,
    pub(crate) values: Vec<f64>,
}

impl Map {
    pub(crate) fn build(
        channels: usize,
        rows: usize,
        cols: usize,
        value: impl Fn(usize, usize, usize) -> f64,
    ) -> Self {
        let mut values = Vec::with_capacity(channels * rows * cols);
        for c in 0..channels {
            for r in 0..rows {
                values.extend((0..cols).map(|s| value(c, r, s)));
            }
        }
        Self { channels, rows, cols, values }
    }

    /// 0 outside.
    pub(crate) fn at(&self, c: usize, r: i64, s: i64) -> f64 {
        let inside = (0..self.rows as i64).contains(&r) && (0..self.cols as i64).contains(&s);
        if inside { self.values[(c * self.rows + r as usize) * self.cols + s as usize] } else { 0.0 }
    }

    pub(crate) fn map(&self, f: impl Fn(f64) -> f64) -> Self {
        Self { values: self.values.iter().map(|v| f(*v)).collect(), ..*self }
    }

    pub(crate) fn plus(&self, other: &Self) -> Self {
        assert_eq!((self.channels, self.rows, self.cols), (other.channels, other.rows, other.cols));
        Self { values: self.values.iter().zip(&other.values).map(|(a, b)| a + b).collect(), ..*self }
    }

    pub(crate) fn beside(&self, other: &Self) -> Self {
        let values = [self.values.as_slice(), &other.values].concat();
        Self { channels: self.channels + other.channels, values, ..*self }
    }

    pub(crate) fn act(&self, kind: Nonlinearity) -> Self {
        self.map(|v| act(kind, v))
    }

    /// A square convolution; `front` zeros above and to the left, size `(rows, cols)` of the result.
    pub(crate) fn conv(
        &self,
        w: &Weights,
        name: &str,
        (side, stride, dilation, front): (usize, usize, usize, usize),
        (rows, cols): (usize, usize),
    ) -> Self {
        let weight = w.get(&format!("{name}.weight"));
        let outputs = weight.len() / (self.channels * side * side);
        let bias = format!("{name}.bias");
        let bias = if w.has(&bias) { w.get(&bias).to_vec() } else { vec![0.0; outputs] };
        let place = |p: usize, t: usize| (p * stride + t * dilation) as i64 - front as i64;
        Self::build(outputs, rows, cols, |k, r, s| {
            let mut sum = bias[k];
            for c in 0..self.channels {
                for t in 0..side * side {
                    let x = self.at(c, place(r, t / side), place(s, t % side));
                    sum += weight[(k * self.channels + c) * side * side + t] * x;
                }
            }
            sum
        })
    }

    /// 3x3, same size.
    pub(crate) fn conv3(&self, w: &Weights, name: &str) -> Self {
        self.conv(w, name, (3, 1, 1, 1), (self.rows, self.cols))
    }

    /// 1x1.
    pub(crate) fn conv1(&self, w: &Weights, name: &str) -> Self {
        self.conv(w, name, (1, 1, 1, 0), (self.rows, self.cols))
    }

    /// `W` is `[in, out]`.
    pub(crate) fn matrix(&self, w: &Weights, name: &str) -> Self {
        let (matrix, bias) = (w.get(&format!("{name}.W")), w.get(&format!("{name}.b")));
        let outputs = bias.len();
        Self::build(outputs, self.rows, self.cols, |k, r, s| {
            let product = |c: usize| matrix[c * outputs + k] * self.at(c, r as i64, s as i64);
            bias[k] + (0..self.channels).map(product).sum::<f64>()
        })
    }

    pub(crate) fn group_norm(&self, w: &Weights, name: &str, groups: usize) -> Self {
        let (weight, bias) = (w.get(&format!("{name}.weight")), w.get(&format!("{name}.bias")));
        let size = self.values.len() / groups;
        let mut values = self.values.clone();
        for group in values.chunks_exact_mut(size) {
            let mean = group.iter().sum::<f64>() / size as f64;
            let variance = group.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / size as f64;
            group.iter_mut().for_each(|v| *v = (*v - mean) / (variance + 1e-6).sqrt());
        }
        let pixels = self.rows * self.cols;
        for (i, v) in values.iter_mut().enumerate() {
            *v = *v * weight[i / pixels] + bias[i / pixels];
        }
        Self { values, ..*self }
    }

    /// Insert zeros, pad, convolve with the outer square of `taps` (flipped), remove samples.
    pub(crate) fn upfirdn(&self, taps: &[f64], up: usize, down: usize, (front, behind): (i64, i64)) -> Self {
        let length = taps.len();
        let size = |n: usize| ((n * up) as i64 + front + behind - length as i64) as usize / down + 1;
        let spread = |c: usize, r: i64, s: i64| {
            let (r, s, up) = (r - front, s - front, up as i64);
            if r.rem_euclid(up) == 0 && s.rem_euclid(up) == 0 {
                self.at(c, r.div_euclid(up), s.div_euclid(up))
            } else {
                0.0
            }
        };
        Self::build(self.channels, size(self.rows), size(self.cols), |c, r, s| {
            let mut sum = 0.0;
            for i in 0..length {
                for j in 0..length {
                    let x = spread(c, (r * down + i) as i64, (s * down + j) as i64);
                    sum += taps[length - 1 - i] * taps[length - 1 - j] * x;
                }
            }
            sum
        })
    }

    /// Means of 2x2 blocks.
    pub(crate) fn halved(&self) -> Self {
        Self::build(self.channels, self.rows / 2, self.cols / 2, |c, r, s| {
            let at = |i, j| self.at(c, (2 * r + i) as i64, (2 * s + j) as i64);
            (at(0, 0) + at(0, 1) + at(1, 0) + at(1, 1)) / 4.0
        })
    }

    /// Each pixel 2x2 times.
    pub(crate) fn doubled(&self) -> Self {
        Self::build(self.channels, 2 * self.rows, 2 * self.cols, |c, r, s| {
            self.at(c, r as i64 / 2, s as i64 / 2)
        })
    }
}

pub(crate) fn act(kind: Nonlinearity, v: f64) -> f64 {
    match kind {
        Nonlinearity::Elu => {
            if v > 0.0 {
                v
            } else {
                v.exp() - 1.0
            }
        }
        Nonlinearity::Relu => v.max(0.0),
        Nonlinearity::Lrelu => {
            if v > 0.0 {
                v
            } else {
                0.2 * v
            }
        }
        Nonlinearity::Swish => v / (1.0 + (-v).exp()),
    }
}

/// `w x + b` of a vector.
pub(crate) fn dense(w: &Weights, name: &str, x: &[f64]) -> Vec<f64> {
    let (weight, bias) = (w.get(&format!("{name}.weight")), w.get(&format!("{name}.bias")));
    weight
        .chunks_exact(x.len())
        .zip(bias)
        .map(|(row, b)| b + row.iter().zip(x).map(|(a, b)| a * b).sum::<f64>())
        .collect()
}
