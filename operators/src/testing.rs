//! Checks that every operator must pass, public so that operators of other crates can use them.
//!
//! All draw their inputs from a fixed seed and return a relative error; a test compares it with a bound.

use crate::{Field, LinearOperator, Transform};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

fn rng(stream: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(0x5eed);
    rng.set_stream(stream);
    rng
}

fn relative_difference<F: Field>(a: &F, b: &F) -> f64 {
    let mut difference = a.clone();
    difference.add_scaled(-1.0, b);
    difference.norm() / b.norm().max(f64::MIN_POSITIVE)
}

/// `|Re⟨A x, y⟩ − Re⟨x, Aᴴ y⟩| / (‖A x‖ ‖y‖)` for random `x`, `y`.
///
/// Only the real part is compared, because a real image with complex data is adjoint in that sense.
/// The scale is the product of norms rather than the inner product, which may be near zero by chance.
pub fn dot_test<A: LinearOperator>(operator: &A) -> f64 {
    let x = A::Image::randn(&operator.image_shape(), &mut rng(0));
    let y = A::Data::randn(&operator.data_shape(), &mut rng(1));
    let projected = operator.forward(&x);
    let left = projected.dot(&y).re;
    let right = x.dot(&operator.adjoint(&y)).re;
    (left - right).abs() / (projected.norm() * y.norm()).max(f64::MIN_POSITIVE)
}

/// `‖T⁻¹ T x − x‖ / ‖x‖` for a random `x`.
pub fn inverse_test<T: Transform>(transform: &T) -> f64 {
    let x = T::Image::randn(&transform.image_shape(), &mut rng(2));
    relative_difference(&transform.inverse(&transform.forward(&x)), &x)
}

/// `‖A(x + 2 u) − A x − 2 A u‖ / ‖A(x + 2 u)‖` for random `x`, `u`.
pub fn linearity_test<A: LinearOperator>(operator: &A) -> f64 {
    let shape = operator.image_shape();
    let x = A::Image::randn(&shape, &mut rng(3));
    let u = A::Image::randn(&shape, &mut rng(4));
    let mut both = x.clone();
    both.add_scaled(2.0, &u);
    let mut parts = operator.forward(&x);
    parts.add_scaled(2.0, &operator.forward(&u));
    relative_difference(&parts, &operator.forward(&both))
}

/// `‖Aᴴ A x − normal(x)‖ / ‖Aᴴ A x‖`: an overridden `normal` must be the composition.
pub fn normal_test<A: LinearOperator>(operator: &A) -> f64 {
    let x = A::Image::randn(&operator.image_shape(), &mut rng(5));
    relative_difference(&operator.normal(&x), &operator.adjoint(&operator.forward(&x)))
}
