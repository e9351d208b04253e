//! Which form of the consistency step is nearest to exact posteriors where `T⁻¹T` is not the identity, or the
//! image is real and its data are not symmetric.

use crate::score::posteriors::{against_truth, measure, predictor_corrector, prior};
use recon::score::Form;
use recon_operators::{Filter, Mask, ParallelBeam, PhasedFourier, Problem, Radon, refine_views};

const FORMS: [Form; 3] = [Form::Published, Form::Residual, Form::ConjugateGradient { iterations: 8 }];

/// Columns that are not symmetric about the centre, as accelerated scans have.
fn asymmetric_fourier(n: usize) -> Problem<PhasedFourier> {
    let columns: Vec<bool> = (0..n).map(|j| j.abs_diff(n / 2) < 2 || j % 4 == 2).collect();
    measure(PhasedFourier::new(n, n, None), Mask::columns(n, &columns), (n, n), 0.0)
}

fn sparse_views(n: usize) -> Problem<Radon> {
    let geometry = ParallelBeam::equally_spaced(n, n, 1.0, 6);
    let radon = Radon::new(geometry.clone(), Filter::Ramp).unwrap();
    let mask = Mask::full(geometry.angles.len() * geometry.detectors);
    refine_views(&measure(radon, mask, (n, n), 0.0), 6).unwrap()
}

/// The real part of `F⁻¹` averages a measured line with its unmeasured mirror line, so Theorem 8.1 imposes half
/// of such a line at a time; twice a step, that is enough.
#[test]
fn all_forms_sample_the_posterior_of_real_images_with_asymmetric_masks() {
    let problem = asymmetric_fourier(10);
    for form in FORMS {
        let method = predictor_corrector(prior((10, 10)), form);
        let accuracy = against_truth(&format!("Fourier {form:?}"), method, 40, &problem, 0.0);
        assert!(accuracy.error < 1.5 && (0.9..1.1).contains(&accuracy.spread));
    }
}

#[test]
fn the_euclidean_form_is_nearest_for_sparse_views() {
    let problem = sparse_views(10);
    let [published, residual, euclidean] = FORMS.map(|form| {
        let method = predictor_corrector(prior((10, 10)), form);
        against_truth(&format!("Radon {form:?}"), method, 8, &problem, 0.0)
    });
    assert!(euclidean.error < 1.5 && (0.9..1.15).contains(&euclidean.spread));
    assert!(euclidean.error < residual.error && residual.error < published.error);
    assert!(published.spread < 0.5, "filtered back-projection at every step blurs the samples");
}
