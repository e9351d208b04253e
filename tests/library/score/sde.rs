//! Marginals, coefficients and discretisations against `sde_lib.py` and closed forms.

use crate::score::fixtures::{Record, values};
use candle_core::Tensor;
use recon::score::{Gaussian, Moment, Sde, SubVp, Ve, Vp};

const STEPS: usize = 1000;

fn processes() -> Vec<(&'static str, Box<dyn Sde>)> {
    let vp = Vp { beta_min: 0.1, beta_max: 20.0 };
    vec![
        ("VESDE_1000_0.01_50.0", Box::new(Ve { sigma_min: 0.01, sigma_max: 50.0 })),
        ("VPSDE_1000_0.1_20.0", Box::new(vp)),
        ("subVPSDE_1000_0.1_20.0", Box::new(SubVp(vp))),
    ]
}

/// `|a − b| ≤ tolerance · |b|` for every entry.
fn assert_close(label: &str, ours: &[f64], theirs: &[f64], tolerance: f64) {
    assert_eq!(ours.len(), theirs.len(), "{label}");
    for (i, (a, b)) in ours.iter().zip(theirs).enumerate() {
        assert!((a - b).abs() <= tolerance * b.abs() + 1e-12, "{label}[{i}]: {a} is not {b}");
    }
}

#[test]
fn marginals_are_exact() {
    let record = Record::fixture("sde_grid");
    for (name, sde) in processes() {
        let times = record.values(&format!("{name}.t"));
        let ours: Vec<_> = times.iter().map(|&t| sde.marginal(t)).collect();
        let mean: Vec<_> = ours.iter().map(|m| m.mean).collect();
        let std: Vec<_> = ours.iter().map(|m| m.std).collect();
        assert_close(name, &mean, &record.values(&format!("{name}.exact_mean_coeff")), 1e-9);
        assert_close(name, &std, &record.values(&format!("{name}.exact_std")), 1e-9);
    }
}

#[test]
fn coefficients_match_the_published_ones() {
    let record = Record::fixture("sde_grid");
    for (name, sde) in processes() {
        let times = record.values(&format!("{name}.t"));
        let late: Vec<usize> = (0..times.len()).filter(|&i| times[i] >= 1e-3).collect();
        let column = |of: &dyn Fn(f64) -> f64| late.iter().map(|&i| of(times[i])).collect::<Vec<_>>();
        let scalar = |key: &str| {
            let all = record.values(&format!("{name}.{key}"));
            late.iter().map(|&i| all[i]).collect::<Vec<_>>()
        };
        assert_close(name, &column(&|t| sde.diffusion(t)), &scalar("diffusion"), 1e-4);
        assert_close(name, &column(&|t| sde.discretize(t, STEPS).1), &scalar("G"), 1e-4);
        for (key, coefficient) in [
            ("drift", &(|t| sde.drift(t)) as &dyn Fn(f64) -> f64),
            ("f", &|t| sde.discretize(t, STEPS).0),
            ("mean", &|t| sde.marginal(t).mean),
        ] {
            let x = record.entries(&format!("{name}.x"));
            let theirs = record.entries(&format!("{name}.{key}"));
            for &i in &late {
                let ours: Vec<_> = values(&x[i]).iter().map(|v| v * coefficient(times[i])).collect();
                // `√α x − x` of the peer cancels in f32: an absolute share of x is lost.
                let floor = if key == "f" { 2e-7 * 10.0 } else { 0.0 };
                for (a, b) in ours.iter().zip(values(&theirs[i])) {
                    assert!((a - b).abs() <= 1e-4 * b.abs() + floor, "{name} {key} {i}: {a} is not {b}");
                }
            }
        }
    }
}

#[test]
fn reverse_drift_matches_the_published_one() {
    let record = Record::fixture("sde_grid");
    for (name, sde) in processes() {
        let times = record.values(&format!("{name}.t"));
        let x = record.entries(&format!("{name}.x"));
        let theirs = record.entries(&format!("{name}.reverse_sde_drift"));
        for i in (0..times.len()).filter(|&i| times[i] >= 1e-3) {
            let x = x[i].unsqueeze(0).unwrap();
            let model =
                Gaussian { mean: Tensor::full(0.4f32, (1, 2, 2), x.device()).unwrap(), variance: 0.09 };
            let at = Moment { sde: sde.as_ref(), t: times[i], steps: STEPS };
            let score = (at.score(&model, &x).unwrap() * sde.diffusion(times[i]).powi(2)).unwrap();
            let ours = ((x * sde.drift(times[i])).unwrap() - score).unwrap();
            let error = crate::score::fixtures::relative_error(&ours, &theirs[i]);
            assert!(error < 1e-4, "{name} {i}: {error:e}");
        }
    }
}

#[test]
fn prior_log_density_matches_the_published_one() {
    let record = Record::fixture("sde_grid");
    for (name, sde) in processes() {
        let z = record.get(&format!("{name}.prior_z"));
        let ours = sde.prior_log_density(z).unwrap();
        assert_close(name, &ours, &record.values(&format!("{name}.prior_logp")), 1e-5);
    }
}
