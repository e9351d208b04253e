//! Small transforms, written plainly, whose exact answers are known.

use ndarray::{Array1, Array2};
use num_complex::{Complex32, Complex64};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use recon_operators::{LinearOperator, Transform};

/// Centred orthonormal discrete Fourier transform of a real image, with zeros around it where the spectrum is larger, as
/// two dense matrices.
#[derive(Clone)]
pub(crate) struct Dft {
    rows: Array2<Complex64>,
    cols: Array2<Complex64>,
}

/// `exp(−2πi kj/m)/√m` for m frequencies of n points, both counted from the middle.
pub(crate) fn dft_matrix(m: usize, n: usize) -> Array2<Complex64> {
    let centred = |i: usize, of: usize| i as f64 - (of / 2) as f64;
    Array2::from_shape_fn((m, n), |(k, j)| {
        let angle = -std::f64::consts::TAU * centred(k, m) * centred(j, n) / m as f64;
        Complex64::from_polar(1.0 / (m as f64).sqrt(), angle)
    })
}

impl Dft {
    pub(crate) fn new(rows: usize, cols: usize) -> Self {
        Self { rows: dft_matrix(rows, rows), cols: dft_matrix(cols, cols) }
    }

    /// Of an image of `n × n` pixels amid `side × side`.
    pub(crate) fn padded(n: usize, side: usize) -> Self {
        Self { rows: dft_matrix(side, n), cols: dft_matrix(side, n) }
    }
}

impl LinearOperator for Dft {
    type Image = Array2<f32>;
    type Data = Array2<Complex32>;
    fn image_shape(&self) -> Vec<usize> {
        vec![self.rows.ncols(), self.cols.ncols()]
    }
    fn data_shape(&self) -> Vec<usize> {
        vec![self.rows.nrows(), self.cols.nrows()]
    }
    fn forward(&self, image: &Array2<f32>) -> Array2<Complex32> {
        let wide = image.mapv(|v| Complex64::new(f64::from(v), 0.0));
        self.rows.dot(&wide).dot(&self.cols.t()).mapv(|v| Complex32::new(v.re as f32, v.im as f32))
    }
    fn adjoint(&self, data: &Array2<Complex32>) -> Array2<f32> {
        let wide = data.mapv(|v| Complex64::new(f64::from(v.re), f64::from(v.im)));
        let conjugate = |m: &Array2<Complex64>| m.mapv(|v| v.conj());
        conjugate(&self.rows).t().dot(&wide).dot(&conjugate(&self.cols)).mapv(|v| v.re as f32)
    }
}

impl Transform for Dft {
    fn inverse(&self, data: &Array2<Complex32>) -> Array2<f32> {
        self.adjoint(data)
    }
}

/// A dense matrix on the pixels of an image, and what stands for its inverse.
#[derive(Clone)]
pub(crate) struct Dense {
    shape: (usize, usize),
    matrix: Array2<f32>,
    /// Row by row, since a product with strided columns takes five times as long.
    transposed: Array2<f32>,
    inverse: Array2<f32>,
}

impl Dense {
    /// `I + spread · G` with `G` standard normal over `√n`.
    pub(crate) fn random(shape: (usize, usize), spread: f32, seed: u64) -> Self {
        let n = shape.0 * shape.1;
        let noise =
            <Array2<f32> as recon_operators::Field>::randn(&[n, n], &mut ChaCha8Rng::seed_from_u64(seed));
        let matrix = Array2::eye(n) + noise * (spread / (n as f32).sqrt());
        let inverse = invert(&matrix);
        Self::with(shape, matrix, inverse)
    }
    /// Every entry of the data times a factor of its own.
    pub(crate) fn scaled(&self, factors: &[f32]) -> Self {
        let factors = Array1::from(factors.to_vec());
        let matrix = &self.matrix * &factors.clone().insert_axis(ndarray::Axis(1));
        Self::with(self.shape, matrix, &self.inverse / &factors)
    }
    pub(crate) fn identity(shape: (usize, usize)) -> Self {
        Self::random(shape, 0.0, 0)
    }
    /// Another transform, column by column; complex data become two numbers each.
    pub(crate) fn of<T: Transform<Image = Array2<f32>>>(transform: &T) -> Self
    where
        T::Data: Numbers,
    {
        let shape = (transform.image_shape()[0], transform.image_shape()[1]);
        let columns: Vec<_> = (0..shape.0 * shape.1)
            .map(|i| transform.forward(&Array2::unit(&transform.image_shape(), i)).numbers())
            .collect();
        let back: Vec<_> = (0..columns[0].len())
            .map(|i| transform.inverse(&T::Data::unit(&transform.data_shape(), i)).numbers())
            .collect();
        let of = |columns: &[Vec<f32>]| {
            Array2::from_shape_fn((columns[0].len(), columns.len()), |(i, j)| columns[j][i])
        };
        Self::with(shape, of(&columns), of(&back))
    }
    fn with(shape: (usize, usize), matrix: Array2<f32>, inverse: Array2<f32>) -> Self {
        let transposed = matrix.t().as_standard_layout().into_owned();
        Self { shape, matrix, transposed, inverse }
    }
    /// The matrix in double precision.
    pub(crate) fn matrix(&self) -> Array2<f64> {
        self.matrix.mapv(f64::from)
    }
}

/// Arrays as lists of real numbers.
pub(crate) trait Numbers {
    /// How many real numbers an entry is.
    const PARTS: usize;
    /// Row by row; real before imaginary parts.
    fn numbers(&self) -> Vec<f32>;
    /// The array of which number `index` is 1 and all others are 0.
    fn unit(shape: &[usize], index: usize) -> Self;
}

impl Numbers for Array2<f32> {
    const PARTS: usize = 1;
    fn numbers(&self) -> Vec<f32> {
        self.iter().copied().collect()
    }
    fn unit(shape: &[usize], index: usize) -> Self {
        let mut unit = Self::zeros((shape[0], shape[1]));
        unit[[index / shape[1], index % shape[1]]] = 1.0;
        unit
    }
}

impl Numbers for Array2<Complex32> {
    const PARTS: usize = 2;
    fn numbers(&self) -> Vec<f32> {
        self.iter().flat_map(|v| [v.re, v.im]).collect()
    }
    fn unit(shape: &[usize], index: usize) -> Self {
        let one = if index.is_multiple_of(2) { Complex32::new(1.0, 0.0) } else { Complex32::new(0.0, 1.0) };
        Array2::<f32>::unit(shape, index / 2).mapv(|v| one * v)
    }
}

/// Gauss-Jordan elimination with row pivots, in double precision.
fn invert(matrix: &Array2<f32>) -> Array2<f32> {
    let n = matrix.nrows();
    let mut left = matrix.mapv(f64::from);
    let mut right = Array2::<f64>::eye(n);
    for k in 0..n {
        let pivot = (k..n).max_by(|&a, &b| left[[a, k]].abs().total_cmp(&left[[b, k]].abs())).unwrap();
        for m in [&mut left, &mut right] {
            for j in 0..n {
                m.swap([k, j], [pivot, j]);
            }
        }
        let scale = left[[k, k]];
        left.row_mut(k).mapv_inplace(|v| v / scale);
        right.row_mut(k).mapv_inplace(|v| v / scale);
        for i in (0..n).filter(|&i| i != k) {
            let factor = left[[i, k]];
            for m in [&mut left, &mut right] {
                let row = m.row(k).to_owned();
                m.row_mut(i).scaled_add(-factor, &row);
            }
        }
    }
    right.mapv(|v| v as f32)
}

impl LinearOperator for Dense {
    type Image = Array2<f32>;
    type Data = Array1<f32>;
    fn image_shape(&self) -> Vec<usize> {
        vec![self.shape.0, self.shape.1]
    }
    fn data_shape(&self) -> Vec<usize> {
        vec![self.matrix.nrows()]
    }
    fn forward(&self, image: &Array2<f32>) -> Array1<f32> {
        self.matrix.dot(&image.iter().copied().collect::<Array1<f32>>())
    }
    fn adjoint(&self, data: &Array1<f32>) -> Array2<f32> {
        self.transposed.dot(data).into_shape_with_order(self.shape).unwrap()
    }
}

impl Transform for Dense {
    fn inverse(&self, data: &Array1<f32>) -> Array2<f32> {
        self.inverse.dot(data).into_shape_with_order(self.shape).unwrap()
    }
}

#[test]
fn the_test_transforms_are_what_they_say() {
    use recon_operators::testing::{dot_test, inverse_test};
    assert!(dot_test(&Dft::new(6, 5)) < 1e-6);
    assert!(inverse_test(&Dft::new(6, 5)) < 1e-6);
    assert!(dot_test(&Dft::padded(4, 7)) < 1e-6);
    assert!(inverse_test(&Dft::padded(4, 7)) < 1e-6);
    assert!(dot_test(&Dense::random((3, 4), 0.5, 1)) < 1e-6);
    assert!(inverse_test(&Dense::random((3, 4), 0.5, 1)) < 1e-5);
    let dense = Dense::of(&Dft::new(3, 4));
    assert!(dot_test(&dense) < 1e-6 && inverse_test(&dense) < 1e-6);
    let image = Array2::from_shape_fn((3, 4), |(i, j)| (i + 2 * j) as f32);
    let (dense, complex) = (dense.forward(&image), Dft::new(3, 4).forward(&image));
    assert!(dense.iter().zip(complex.numbers()).all(|(a, b)| (a - b).abs() < 1e-5));
}
