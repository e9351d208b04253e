//! Posteriors of mixtures under linear Gaussian measurements, in closed form and double precision.

use crate::score::transforms::Dense;
use ndarray::{Array1, Array2};
use recon::score::GaussianMixture;
use recon_operators::Problem;

/// A symmetric positive definite matrix by its Cholesky factor `L`, `M = L Lᵀ`.
pub(crate) struct Definite(Array2<f64>);

impl Definite {
    pub(crate) fn new(matrix: &Array2<f64>) -> Self {
        let n = matrix.nrows();
        let mut l = Array2::<f64>::zeros((n, n));
        for j in 0..n {
            for i in j..n {
                let dot: f64 = (0..j).map(|k| l[[i, k]] * l[[j, k]]).sum();
                let rest = matrix[[i, j]] - dot;
                l[[i, j]] = if i == j { rest.sqrt() } else { rest / l[[j, j]] };
            }
            assert!(l[[j, j]] > 0.0, "the matrix is not positive definite");
        }
        Self(l)
    }

    /// `M⁻¹ b`
    pub(crate) fn solve(&self, b: &Array1<f64>) -> Array1<f64> {
        let (l, n) = (&self.0, b.len());
        let mut x = b.clone();
        for i in 0..n {
            let dot: f64 = (0..i).map(|k| l[[i, k]] * x[k]).sum();
            x[i] = (x[i] - dot) / l[[i, i]];
        }
        for i in (0..n).rev() {
            let dot: f64 = (i + 1..n).map(|k| l[[k, i]] * x[k]).sum();
            x[i] = (x[i] - dot) / l[[i, i]];
        }
        x
    }

    fn log_determinant(&self) -> f64 {
        2.0 * self.0.diag().iter().map(|v| v.ln()).sum::<f64>()
    }

    /// `L z`: covariance `M` for standard normal `z`.
    pub(crate) fn coloured(&self, z: &Array1<f64>) -> Array1<f64> {
        self.0.dot(z)
    }
}

/// A component of a posterior.
pub(crate) struct Component {
    pub(crate) weight: f64,
    pub(crate) mean: Array1<f64>,
    pub(crate) covariance: Array2<f64>,
}

impl Component {
    fn std(&self, pixel: usize) -> f64 {
        self.covariance[[pixel, pixel]].sqrt()
    }
}

/// `p(x₀ | y)`
pub(crate) struct ExactPosterior(pub(crate) Vec<Component>);

fn numbers(x: &candle_core::Tensor) -> Array1<f64> {
    crate::score::fixtures::values(x).into()
}

impl ExactPosterior {
    /// For `y = A x₀ + N(0, noise² I)` and a prior whose components are `N(a, v I)`: component by component
    /// `S = v A Aᵀ + noise² I`, mean `a + v Aᵀ S⁻¹ (y − A a)`, covariance `v I − v² Aᵀ S⁻¹ A`, and the weight
    /// times `N(y; A a, S)`.
    pub(crate) fn new(prior: &GaussianMixture, problem: &Problem<Dense>, noise: f64) -> Self {
        let mut a = problem.transform.matrix();
        for (mut row, _) in a.rows_mut().into_iter().zip(problem.mask.kept()).filter(|(_, kept)| !**kept) {
            row.fill(0.0);
        }
        let measured = problem.measured.mapv(f64::from);
        let parts = prior.components.iter().zip(&prior.weights);
        let (components, logs): (Vec<_>, Vec<_>) = parts
            .map(|(part, weight)| {
                let mean = numbers(&part.mean);
                let (component, log) = conditioned(&a, &measured, mean, part.variance, noise);
                (component, log + weight.ln())
            })
            .unzip();
        let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let total: f64 = logs.iter().map(|log| (log - largest).exp()).sum();
        let weigh = |(component, log): (Component, f64)| Component {
            weight: (log - largest).exp() / total,
            ..component
        };
        Self(components.into_iter().zip(logs).map(weigh).collect())
    }

    pub(crate) fn mean(&self, pixel: usize) -> f64 {
        self.0.iter().map(|part| part.weight * part.mean[pixel]).sum()
    }

    pub(crate) fn std(&self, pixel: usize) -> f64 {
        let square = |part: &Component| part.std(pixel).powi(2) + part.mean[pixel].powi(2);
        let squares: f64 = self.0.iter().map(|part| part.weight * square(part)).sum();
        (squares - self.mean(pixel).powi(2)).sqrt()
    }

    /// The probability that a pixel lies between two values.
    pub(crate) fn mass(&self, pixel: usize, (from, to): (f64, f64)) -> f64 {
        let below = |part: &Component, value: f64| normal_below((value - part.mean[pixel]) / part.std(pixel));
        self.0.iter().map(|part| part.weight * (below(part, to) - below(part, from))).sum()
    }
}

/// The posterior of one component, and the logarithm of its evidence up to a constant of the data.
fn conditioned(
    a: &Array2<f64>,
    measured: &Array1<f64>,
    mean: Array1<f64>,
    variance: f64,
    noise: f64,
) -> (Component, f64) {
    let s = Definite::new(&(a.dot(&a.t()) * variance + Array2::<f64>::eye(a.nrows()) * (noise * noise)));
    let misfit = measured - &a.dot(&mean);
    let whitened = s.solve(&misfit);
    let mut explained = a.clone();
    for (mut column, of_a) in explained.columns_mut().into_iter().zip(a.columns()) {
        column.assign(&s.solve(&of_a.to_owned()));
    }
    let covariance = Array2::<f64>::eye(a.ncols()) * variance - a.t().dot(&explained) * (variance * variance);
    let log = -0.5 * (s.log_determinant() + misfit.dot(&whitened));
    (Component { weight: 1.0, mean: mean + a.t().dot(&whitened) * variance, covariance }, log)
}

/// The distribution function of the standard normal law, to 1e-7 (Abramowitz and Stegun, 7.1.26).
fn normal_below(x: f64) -> f64 {
    let z = x.abs() / std::f64::consts::SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * z);
    let terms = [1.061_405_429, -1.453_152_027, 1.421_413_741, -0.284_496_736, 0.254_829_592];
    let above = 0.5 * terms.iter().fold(0.0, |sum, c| (sum + c) * t) * (-z * z).exp();
    if x < 0.0 { above } else { 1.0 - above }
}

#[test]
fn the_normal_distribution_function_is_that_of_the_tables() {
    for (x, below) in [(0.0, 0.5), (1.0, 0.841_344_7), (-1.644_853_6, 0.05), (3.0, 0.998_650_1)] {
        assert!((normal_below(x) - below).abs() < 2e-7, "{x}");
    }
}

#[test]
fn cholesky_factors_solve() {
    let matrix = ndarray::array![[4.0, 1.0, 0.5], [1.0, 3.0, -1.0], [0.5, -1.0, 2.0]];
    let (factor, x) = (Definite::new(&matrix), ndarray::array![1.0, -2.0, 0.5]);
    assert!((factor.solve(&matrix.dot(&x)) - &x).iter().all(|v| v.abs() < 1e-14));
    // 4(6 − 1) − 1(2 + 0.5) + 0.5(−1 − 1.5)
    assert!((factor.log_determinant() - 16.25f64.ln()).abs() < 1e-14);
}

/// One pixel, `y = x + e`: the textbook posterior of two components, worked out by Bayes' rule.
#[test]
fn the_posterior_of_one_pixel_is_that_of_the_textbook() {
    use candle_core::Device;
    use recon::score::Gaussian;
    use recon_operators::Mask;
    let gaussian =
        |mean, variance| Gaussian::new(&Array2::from_elem((1, 1), mean), variance, &Device::Cpu).unwrap();
    let prior = GaussianMixture {
        components: vec![gaussian(0.0, 1.0), gaussian(2.0, 0.5)],
        weights: vec![0.25, 0.75],
    };
    let measured = ndarray::array![1.5f32];
    let problem = Problem::new(Dense::identity((1, 1)), Mask::full(1), measured).unwrap();
    let posterior = ExactPosterior::new(&prior, &problem, 0.5);
    let density = |x: f64, variance: f64| (-0.5 * x * x / variance).exp() / variance.sqrt();
    let joint = [0.25 * density(1.5, 1.25), 0.75 * density(0.5, 0.75)];
    let weight = joint[0] / (joint[0] + joint[1]);
    assert!((posterior.0[0].weight - weight).abs() < 1e-12);
    let means = [1.5 / 1.25, 2.0 - 0.5 * 0.5 / 0.75];
    let mean = weight * means[0] + (1.0 - weight) * means[1];
    assert!((posterior.mean(0) - mean).abs() < 1e-12);
    let variances = [0.25 / 1.25, 0.5 * 0.25 / 0.75];
    let spread =
        weight * (variances[0] + means[0] * means[0]) + (1.0 - weight) * (variances[1] + means[1] * means[1]);
    assert!((posterior.std(0).powi(2) - (spread - mean * mean)).abs() < 1e-12);
    assert!((posterior.mass(0, (-20.0, 20.0)) - 1.0).abs() < 1e-6);
}
