//! The arrays that operators act on.

use ndarray::{Array, ArrayD, Dimension, Zip};
use num_complex::{Complex32, Complex64};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

/// An element of a Euclidean space: enough structure for masks, norms, solvers and adjoint tests.
pub trait Field: Clone + Send + Sync {
    /// The inner product `⟨self, other⟩ = Σ conj(selfᵢ) otherᵢ`, accumulated in f64.
    fn dot(&self, other: &Self) -> Complex64;
    /// An array of the given shape filled with standard normal values (real and imaginary parts each).
    ///
    /// # Panics
    /// If the number of axes of `shape` is not that of the array type.
    fn randn(shape: &[usize], rng: &mut ChaCha8Rng) -> Self;
    /// An array of zeros of the given shape.
    ///
    /// # Panics
    /// If the number of axes of `shape` is not that of the array type.
    fn zeros(shape: &[usize]) -> Self;
    /// The lengths of the axes.
    fn lengths(&self) -> Vec<usize>;
    /// Real numbers in an entry: 1, or 2 for complex ones.
    const COMPONENTS: usize;
    /// `self ← a · self`
    fn scale(&mut self, a: f32);
    /// `self ← self + a · other`
    fn add_scaled(&mut self, a: f32, other: &Self);
    /// `selfᵢ ← wᵢ selfᵢ`, row-major order.
    ///
    /// # Panics
    /// If there is not one weight for every entry.
    fn weigh(&mut self, weights: &[f32]);
    /// Zeroes the entries (row-major order) that are not kept.
    ///
    /// # Panics
    /// If there is not one flag for every entry.
    fn keep(&mut self, kept: &[bool]);
    /// `selfᵢ ← (1 − w) selfᵢ + w otherᵢ` where `kept`, unchanged elsewhere.
    ///
    /// # Panics
    /// If there is not one flag for every entry, or `other` has another number of entries.
    fn blend(&mut self, kept: &[bool], weight: f32, other: &Self);
    /// The Euclidean norm `‖self‖`.
    fn norm(&self) -> f64 {
        self.dot(self).re.sqrt()
    }
}

/// The scalar of a [`Field`]: `f32` or `Complex32`.
pub trait Scalar: Copy + Send + Sync + 'static {
    /// Real numbers in a value: 1, or 2 for a complex one.
    const COMPONENTS: usize;
    /// The additive identity.
    const ZERO: Self;
    /// The value in double precision.
    fn widen(self) -> Complex64;
    /// A standard normal value.
    fn randn(rng: &mut ChaCha8Rng) -> Self;
    /// `self + a · other`
    fn add_scaled(self, a: f32, other: Self) -> Self;
    /// `a · self`
    fn scaled(self, a: f32) -> Self;
    /// `√(|self|² + |other|²)`
    fn joint_modulus(self, other: Self) -> f32;
    /// The value, or 0 where it is a real number below; complex numbers have no order.
    fn nonnegative(self) -> Self;
}

impl Scalar for f32 {
    const COMPONENTS: usize = 1;
    const ZERO: Self = 0.0;
    fn widen(self) -> Complex64 {
        Complex64::new(f64::from(self), 0.0)
    }
    fn randn(rng: &mut ChaCha8Rng) -> Self {
        StandardNormal.sample(rng)
    }
    fn add_scaled(self, a: f32, other: Self) -> Self {
        self + a * other
    }
    fn scaled(self, a: f32) -> Self {
        a * self
    }
    fn joint_modulus(self, other: Self) -> f32 {
        self.hypot(other)
    }
    fn nonnegative(self) -> Self {
        self.max(0.0)
    }
}

impl Scalar for Complex32 {
    const COMPONENTS: usize = 2;
    const ZERO: Self = Complex32::new(0.0, 0.0);
    fn widen(self) -> Complex64 {
        Complex64::new(f64::from(self.re), f64::from(self.im))
    }
    fn randn(rng: &mut ChaCha8Rng) -> Self {
        Complex32::new(f32::randn(rng), f32::randn(rng))
    }
    fn add_scaled(self, a: f32, other: Self) -> Self {
        self + other * a
    }
    fn scaled(self, a: f32) -> Self {
        self * a
    }
    fn joint_modulus(self, other: Self) -> f32 {
        (self.norm_sqr() + other.norm_sqr()).sqrt()
    }
    fn nonnegative(self) -> Self {
        self
    }
}

impl<A: Scalar, D: Dimension> Field for Array<A, D> {
    const COMPONENTS: usize = A::COMPONENTS;
    fn dot(&self, other: &Self) -> Complex64 {
        Zip::from(self)
            .and(other)
            .fold(Complex64::new(0.0, 0.0), |sum, a, b| sum + a.widen().conj() * b.widen())
    }
    fn randn(shape: &[usize], rng: &mut ChaCha8Rng) -> Self {
        ArrayD::from_shape_simple_fn(shape, || A::randn(rng))
            .into_dimensionality()
            .expect("shape has the rank of the array type")
    }
    fn zeros(shape: &[usize]) -> Self {
        ArrayD::from_elem(shape, A::ZERO).into_dimensionality().expect("shape has the rank of the array type")
    }
    fn lengths(&self) -> Vec<usize> {
        self.shape().to_vec()
    }
    fn scale(&mut self, a: f32) {
        self.mapv_inplace(|v| v.scaled(a));
    }
    fn add_scaled(&mut self, a: f32, other: &Self) {
        Zip::from(self).and(other).for_each(|x, &y| *x = x.add_scaled(a, y));
    }
    fn weigh(&mut self, weights: &[f32]) {
        assert_eq!(self.len(), weights.len(), "there is one weight for every entry");
        for (value, &weight) in self.iter_mut().zip(weights) {
            *value = value.scaled(weight);
        }
    }
    fn keep(&mut self, kept: &[bool]) {
        assert_eq!(self.len(), kept.len(), "there is one flag for every entry");
        for (value, &keep) in self.iter_mut().zip(kept) {
            if !keep {
                *value = A::ZERO;
            }
        }
    }
    fn blend(&mut self, kept: &[bool], weight: f32, other: &Self) {
        assert_eq!(self.len(), kept.len(), "there is one flag for every entry");
        assert_eq!(self.len(), other.len(), "both have as many entries");
        for ((value, &keep), &measured) in self.iter_mut().zip(kept).zip(other.iter()) {
            if keep {
                *value = value.scaled(1.0 - weight).add_scaled(weight, measured);
            }
        }
    }
}
