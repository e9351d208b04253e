//! What is refused, and draws against their covariance.

use super::*;
use ndarray::array;
use rand::SeedableRng;

fn one(covariance: Array2<f64>) -> Result<NormalMixture> {
    NormalMixture::new(vec![(2.0, array![1.0, -1.0], covariance)])
}

#[test]
fn what_is_no_distribution_is_refused() {
    assert!(NormalMixture::new(vec![]).is_err());
    assert!(one(array![[1.0, 0.5], [0.4, 1.0]]).is_err());
    assert!(one(array![[1.0, 2.0], [2.0, 1.0]]).is_err());
    assert!(one(Array2::eye(3)).is_err());
    assert!(NormalMixture::new(vec![(0.0, array![1.0], array![[1.0]])]).is_err());
}

#[test]
fn draws_have_the_covariance() {
    let covariance = array![[0.5, 0.3], [0.3, 1.0]];
    let model = one(covariance.clone()).unwrap();
    let count = 20_000;
    let drawn = model.sample(count, &mut rand_chacha::ChaCha8Rng::seed_from_u64(1)).unwrap();
    let centred = drawn - array![1.0, -1.0];
    let found = centred.t().dot(&centred) / count as f64;
    // A standard error is at most √(2/20000) = 0.01.
    assert!((found - covariance).iter().all(|d: &f64| d.abs() < 0.04));
}
