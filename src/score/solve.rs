//! Solvers over linear operators, until the operators crate brings its own.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use recon_operators::{Field, LinearOperator};

pub(super) fn operator_norm<A: LinearOperator>(op: &A, iterations: usize) -> f64 {
    let mut x = A::Image::randn(&op.image_shape(), &mut ChaCha8Rng::seed_from_u64(1));
    let mut norm = 0.0;
    for _ in 0..iterations {
        let length = x.norm();
        if length == 0.0 {
            return 0.0;
        }
        x.scale((1.0 / length) as f32);
        x = op.normal(&x);
        norm = x.norm();
    }
    norm.sqrt()
}

pub(super) fn conjugate_gradient<F: Field>(
    apply: impl Fn(&F) -> F,
    rhs: &F,
    start: F,
    iterations: usize,
    tolerance: f64,
) -> F {
    let mut x = start;
    let mut r = rhs.clone();
    r.add_scaled(-1.0, &apply(&x));
    let mut p = r.clone();
    let mut rr = r.dot(&r).re;
    let target = tolerance * tolerance * rhs.dot(rhs).re;
    for _ in 0..iterations {
        if rr <= target {
            break;
        }
        let ap = apply(&p);
        let curvature = p.dot(&ap).re;
        if curvature <= 0.0 {
            break;
        }
        let alpha = rr / curvature;
        x.add_scaled(alpha as f32, &p);
        r.add_scaled(-alpha as f32, &ap);
        let next = r.dot(&r).re;
        p.scale((next / rr) as f32);
        p.add_scaled(1.0, &r);
        rr = next;
    }
    x
}
