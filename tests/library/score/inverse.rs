//! The projection samplers of the published medical code, MRI and CT, update by update, with their noise.

use crate::common::shared;
use crate::score::fixtures::{Record, relative_error};
use crate::score::transforms::{Dft, dft_matrix};
use candle_core::{Device, Result, Tensor};
use ndarray::Array2;
use num_complex::{Complex32, Complex64};
use recon::score::{
    AnnealedLangevin, Bridged, Consistency, EulerMaruyama, Form, Gaussian, GuidedMove, Langevin,
    LikelihoodGradient, Marginal, Moment, NoUpdate, Noise, Projection, ReverseDiffusion, ReverseProcess,
    ScoreModel, Sde, Unconditional, Update, Ve, Vp, bridge,
};
use recon_operators::{Mask, Problem};
use std::path::Path;
use std::sync::{Arc, Mutex};

type Log = Arc<Mutex<Vec<Tensor>>>;

struct LoggedUpdate<U>(U, Log);

impl<U: Update> Update for LoggedUpdate<U> {
    fn update(
        &self,
        x: &Tensor,
        at: &Moment<'_>,
        model: &dyn ScoreModel,
        noise: &mut Noise,
    ) -> Result<(Tensor, Tensor)> {
        let moved = self.0.update(x, at, model, noise)?;
        self.1.lock().unwrap().push(moved.0.clone());
        Ok(moved)
    }
}

struct LoggedConsistency<C>(C, Log);

impl<C: Consistency> Consistency for LoggedConsistency<C> {
    fn impose(&mut self, x: Tensor, marginal: Marginal, noise: &mut Noise) -> Result<Tensor> {
        let imposed = self.0.impose(x, marginal, noise)?;
        self.1.lock().unwrap().push(imposed.clone());
        Ok(imposed)
    }
    fn finish(&mut self, x: Tensor) -> Result<Tensor> {
        self.0.finish(x)
    }
}

/// Of so many columns.
fn complex(record: &Record, name: &str, columns: usize) -> Array2<Complex64> {
    let part = |part| record.values(&format!("{name}_{part}"));
    let values: Vec<_> =
        part("re").into_iter().zip(part("im")).map(|(re, im)| Complex64::new(re, im)).collect();
    Array2::from_shape_vec((values.len() / columns, columns), values).unwrap()
}

fn single(values: &Array2<Complex64>) -> Array2<Complex32> {
    values.mapv(|v| Complex32::new(v.re as f32, v.im as f32))
}

fn problem(record: &Record) -> Problem<Dft> {
    let mask = Mask::new(record.values("mask").iter().map(|&kept| kept != 0.0).collect());
    let measured = mask.select(single(&complex(record, "kspace", 64)));
    Problem::new(Dft::new(64, 64), mask, measured).unwrap()
}

/// Few views as the published code has them: `T` is the spectrum of the image amid zeros, a view is a line of it through
/// the centre, every point of that line at its nearest frequency.
///
/// Lines share frequencies; there the published code lets the last line have its way, whether it was measured or not.
fn radial_problem(record: &Record, (n, side): (usize, usize)) -> Problem<Dft> {
    // From sinogram to spectrum: along the detector, not normalised there and orthonormal here.
    let lines = complex(record, "known_sino", side).dot(&dft_matrix(side, side).t());
    let (rows, cols) = (record.values("radial_y"), record.values("radial_x"));
    let from_centre = |frequency: f64| (frequency as usize + side / 2) % side;
    let measured_lines = record.values("row_mask");
    let mut spectrum = Array2::zeros((side, side));
    let mut kept = vec![false; side * side];
    for (i, value) in lines.iter().enumerate() {
        let (row, col) = (from_centre(rows[i]), from_centre(cols[i]));
        spectrum[[row, col]] = value / (side as f64).sqrt();
        kept[row * side + col] = measured_lines[i / side] != 0.0;
    }
    let mask = Mask::new(kept);
    let measured = mask.select(single(&spectrum));
    Problem::new(Dft::padded(n, side), mask, measured).unwrap()
}

fn image(record: &Record, name: &str) -> Tensor {
    record.get(name).reshape((1, 1, 64, 64)).unwrap()
}

fn draws(record: &Record) -> Noise {
    let mut draws = vec![image(record, "prior_unit_noise")];
    draws.extend(record.entries("noise").iter().map(|z| z.reshape((1, 1, 64, 64)).unwrap()));
    Noise::recorded(draws)
}

fn check<S: Sde>(
    (shared, name): (&Path, &str),
    sde: S,
    (predictor, corrector): (impl Update + 'static, impl Update + 'static),
    (lambda, t_end): (f64, f64),
    form: Form,
) {
    let record = Record::reference(shared, &format!("inverse/{name}"));
    check_on(&problem(&record), (name, &record), sde, (predictor, corrector), (lambda, t_end), form);
}

fn check_on<S: Sde>(
    problem: &Problem<Dft>,
    (name, record): (&str, &Record),
    sde: S,
    (predictor, corrector): (impl Update + 'static, impl Update + 'static),
    (lambda, t_end): (f64, f64),
    form: Form,
) {
    let (inputs, outputs) = (Log::default(), Log::default());
    let sampler = ReverseProcess {
        sde,
        predictor: Box::new(LoggedUpdate(predictor, outputs.clone())),
        corrector: Box::new(LoggedUpdate(corrector, outputs.clone())),
        steps: record.values("timesteps").len(),
        t_end,
    };
    let mut consistency =
        LoggedConsistency(Projection::new(Bridged::new(problem, 1.0), lambda, 1.0, form), inputs.clone());
    let model = Gaussian { mean: image(record, "mu"), variance: 0.05 };
    let result = sampler.sample(&model, &mut consistency, &mut draws(record), &mut |_| Ok(())).unwrap();
    let mut worst: f64 = 0.0;
    for (log, key) in [(inputs, "x_in"), (outputs, "x_out")] {
        let (ours, theirs) = (log.lock().unwrap(), record.entries(key));
        assert_eq!(ours.len(), theirs.len());
        for (i, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
            let error = relative_error(ours, theirs);
            assert!(error < TOLERANCE, "{key} {i}: {error:e}");
            worst = worst.max(error);
        }
    }
    let error = relative_error(&result, record.get("result"));
    println!("{name} {form:?}: updates {worst:e}, result {error:e}");
    assert!(error < TOLERANCE, "result: {error:e}");
}

/// Relative to the largest pixel; single precision with another FFT.
const TOLERANCE: f64 = 1e-4;

const VP: Vp = Vp { beta_min: 0.1, beta_max: 20.0 };

fn ve(sigma_max: f64) -> Ve {
    Ve { sigma_min: 0.01, sigma_max }
}

#[test]
fn reference_ve_projection_with_lambda_0_6() {
    let Some(shared) = shared() else { return };
    let moves = || (ReverseDiffusion, Langevin::new(0.16));
    check((&shared, "mri_projection_c06"), ve(10.0), moves(), (0.6, 1e-5), Form::Published);
    check((&shared, "mri_projection_c06"), ve(10.0), moves(), (0.6, 1e-5), Form::Residual);
}

#[test]
fn reference_ve_projection_with_lambda_1() {
    let Some(shared) = shared() else { return };
    let moves = (ReverseDiffusion, Langevin::new(0.16));
    check((&shared, "mri_projection_c1"), ve(50.0), moves, (1.0, 1e-5), Form::Published);
}

#[test]
fn reference_vp_projection_without_corrector() {
    let Some(shared) = shared() else { return };
    check((&shared, "mri_projection_vp"), VP, (EulerMaruyama, NoUpdate), (0.8, 1e-3), Form::Published);
}

#[test]
fn reference_ct_projection_along_radial_lines() {
    let name = "ct_projection_64";
    let Some(shared) = shared() else { return };
    let record = Record::reference(&shared, &format!("inverse/{name}"));
    let problem = radial_problem(&record, (64, 364));
    let moves = || (ReverseDiffusion, Langevin::new(0.246));
    for form in [Form::Published, Form::Residual] {
        check_on(&problem, (name, &record), ve(20.0), moves(), (0.841, 1e-5), form);
    }
}

#[test]
fn the_first_projection_and_corrector_of_the_published_run() {
    let record = Record::fixture("mri_projection_first_update");
    let problem = problem(&record);
    let sde = ve(10.0);
    let at = Moment { sde: &sde, t: 1.0, steps: 6 };
    let mut noise = draws(&record);
    let x = (noise.draw().unwrap() * sde.prior_std()).unwrap();
    let mut consistency = Projection::new(Bridged::new(&problem, 1.0), 0.6, 1.0, Form::Published);
    let x = consistency.impose(x, at.marginal(), &mut noise).unwrap();
    assert!(relative_error(&x, record.get("x_in")) < 3e-6);
    let model = Gaussian { mean: image(&record, "mu"), variance: 0.05 };
    let x = Langevin::new(0.16).update(&x, &at, &model, &mut noise).unwrap().0;
    assert!(relative_error(&x, record.get("x_out")) < 3e-6);
}

/// What the published baselines call the projection rate.
const COEFFICIENT: f64 = 1.586;

fn langevin_baseline(
    problem: &Problem<Dft>,
) -> GuidedMove<AnnealedLangevin, LikelihoodGradient<Bridged<'_, Dft>>> {
    let measurement = Bridged::new(problem, 1.0);
    let guidance = LikelihoodGradient { measurement, coefficient: COEFFICIENT };
    GuidedMove { moves: AnnealedLangevin { snr: 0.1, moves: 1 }, guidance }
}

#[test]
fn reference_likelihood_gradient_in_annealed_langevin_dynamics() {
    let Some(shared) = shared() else { return };
    let record = Record::reference(&shared, "inverse/mri_langevin");
    let (problem, outputs) = (problem(&record), Log::default());
    let model = Gaussian { mean: image(&record, "mu"), variance: 0.05 };
    let corrector = Box::new(LoggedUpdate(langevin_baseline(&problem), outputs.clone()));
    let sampler =
        ReverseProcess { sde: ve(5.0), predictor: Box::new(NoUpdate), corrector, steps: 5, t_end: 1e-5 };
    let result = sampler.sample(&model, &mut Unconditional, &mut draws(&record), &mut |_| Ok(())).unwrap();
    let (ours, theirs) = (outputs.lock().unwrap(), record.entries("x_out"));
    assert_eq!(ours.len(), theirs.len());
    let errors = ours.iter().zip(&theirs).map(|(ours, theirs)| relative_error(ours, theirs));
    let (worst, error) = (errors.fold(0.0, f64::max), relative_error(&result, record.get("result")));
    println!("updates {worst:e}, result {error:e}");
    assert!(worst < 3e-6 && error < 3e-6);
}

#[test]
fn the_first_update_of_the_published_likelihood_gradient() {
    let record = Record::fixture("mri_langevin_first_update");
    let problem = problem(&record);
    let model = Gaussian { mean: image(&record, "mu"), variance: 0.05 };
    let (sde, mut noise) = (ve(5.0), draws(&record));
    let at = Moment { sde: &sde, t: 1.0, steps: 5 };
    let x = sde.sample_prior(&mut noise).unwrap();
    let x = langevin_baseline(&problem).update(&x, &at, &model, &mut noise).unwrap().0;
    let error = relative_error(&x, record.get("x_out"));
    println!("first update {error:e}");
    assert!(error < 3e-6);
}

/// A mask that is symmetric about the centre of k-space: the Hermitian symmetry of real images survives it.
fn symmetric_problem(n: usize) -> Problem<Dft> {
    let columns: Vec<bool> = (0..n).map(|j| j.abs_diff(n / 2) % 3 != 1).collect();
    let mask = Mask::columns(n, &columns);
    let transform = Dft::new(n, n);
    let image = Array2::from_shape_fn((n, n), |(i, j)| ((i * 3 + j * j) % 7) as f32);
    let measured = mask.select(recon_operators::LinearOperator::forward(&transform, &image));
    Problem::new(transform, mask, measured).unwrap()
}

#[test]
fn all_forms_agree_where_the_transform_is_orthonormal() {
    let problem = symmetric_problem(9);
    let x = Array2::from_shape_fn((9, 9), |(i, j)| (i as f32 - 2.0 * j as f32).cos());
    let batch = bridge::to_tensor(&[x], &Device::Cpu).unwrap();
    let run = |form, lambda| {
        Projection::new(Bridged::new(&problem, 2.0), 1.0, lambda, form).finish(batch.clone()).unwrap()
    };
    for lambda in [0.0, 0.3, 1.0] {
        let published = run(Form::Published, lambda);
        assert!(relative_error(&run(Form::Residual, lambda), &published) < 1e-6);
        let iterative = run(Form::ConjugateGradient { iterations: 3 }, lambda);
        assert!(relative_error(&iterative, &published) < 1e-4);
    }
}
