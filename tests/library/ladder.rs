//! Conditional priors: the climb against PyTorch's (fixtures/ladder/README.md), and what must hold for any network.

use candle_core::{DType, Device, Tensor};
use ndarray::Array2;
use num_complex::Complex32;
use recon::device::DeviceChoice;
use recon::methods::{Conditioned, Registry};
use recon::models::{ConditionalPrior, Family, ModelSource, open, open_conditional, read_card};
use recon::score::measure::{UnitRule, bridge};
use recon::score::{
    CartesianFamily, CartesianRungs, Climb, ConditionalModel, Filling, Flips, Question, Rungs,
};
use recon::settings::{Layers, MethodSpec};
use recon_data::Unit;
use recon_operators::{
    DataNoise, Mask, PhaseAxis, PhasedFourier, Problem, Sampling, SamplingPlan, Transform,
};
use recon_pipelines::task::mri::measure;
use recon_pipelines::{Direct, Estimate, Methods, Reconstruct, Silent, SliceSeed, Task};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

const SEED: SliceSeed = SliceSeed { seed: 3, case: 5, slice: 7 };
const UNIT: UnitRule = UnitRule::Percentile { percentile: 99.5, factor: 1.0 };
const RENEWING: Climb = Climb { steps: 6, filling: Filling::Renew, flips: Flips::Turn, noise_trust: 1.7 };
const FILLING: Climb = Climb { filling: Filling::Full, ..RENEWING };

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/ladder")
}

fn reference() -> HashMap<String, Tensor> {
    candle_core::safetensors::load(folder().join("reference.safetensors"), &Device::Cpu).unwrap()
}

fn prior() -> ConditionalPrior {
    open_conditional(&ModelSource::Path(folder().join("bundle")), &Device::Cpu).unwrap()
}

fn family(prior: &ConditionalPrior) -> &CartesianFamily {
    let Family::CartesianLines(family) = prior.family() else { panic!("a family of k-space") };
    family
}

fn climb(flips: Flips, steps: usize) -> Climb {
    Climb { steps, flips, ..RENEWING }
}

fn truth() -> Array2<f32> {
    bridge::to_images(&reference()["truth"].unsqueeze(0).unwrap().unsqueeze(0).unwrap()).unwrap().remove(0)
}

fn lines() -> Vec<bool> {
    reference()["lines"].to_vec1::<u8>().unwrap().iter().map(|&kept| kept == 1).collect()
}

fn problem() -> Problem<PhasedFourier> {
    measure(&truth(), &Mask::columns(24, &lines())).unwrap()
}

fn largest(a: &Tensor, b: &Tensor) -> f64 {
    let difference = (a.to_dtype(DType::F64).unwrap() - b.to_dtype(DType::F64).unwrap()).unwrap();
    difference.abs().unwrap().flatten_all().unwrap().max(0).unwrap().to_scalar().unwrap()
}

/// Takes the image of every rung for clean, and counts.
struct Identity(Mutex<Vec<f64>>);

impl ConditionalModel for Identity {
    fn estimate(&self, question: &Question) -> candle_core::Result<Tensor> {
        self.0.lock().unwrap().push(question.sigma);
        Ok(question.image.clone())
    }
}

#[test]
fn the_climb_is_that_of_pytorch() {
    let (reference, prior, problem) = (reference(), prior(), problem());
    let rungs =
        CartesianRungs::new(family(&prior), (&problem, &lines()), UNIT, &RENEWING, &Device::Cpu).unwrap();
    let unit = reference["unit"].to_vec1::<f32>().unwrap()[0];
    assert!((rungs.unit() / unit - 1.0).abs() < 1e-5, "{} is not {unit}", rungs.unit());
    for (rung, sigma) in reference["sigmas"].to_vec1::<f64>().unwrap().into_iter().enumerate() {
        assert!(
            (rungs.sigma(rung) / sigma - 1.0).abs() < 1e-9,
            "rung {rung}: {} is not {sigma}",
            rungs.sigma(rung)
        );
    }
    let start = rungs.start().unwrap();
    let question = rungs.question(start.clone(), 2).unwrap();
    let call = prior.estimate(&question).unwrap();
    let found = [
        ("direct", question.direct.clone()),
        ("start", start),
        ("restored", rungs.restored(&call, 2).unwrap()),
        ("call", call),
    ];
    for (name, found) in found {
        let off = largest(&found, &reference[name]);
        println!("{name}: {off:.1e}");
        assert!(off < 1e-4, "{name}: {off}");
    }
    for (name, flips) in [("one", Flips::Upright), ("turn", Flips::Turn), ("all", Flips::All)] {
        let found = climb(flips, 6).run(&prior, &rungs, &Silent).unwrap();
        let expected = reference[&format!("climb_{name}")].narrow(0, 5, 1).unwrap();
        let off = largest(&found, &expected);
        println!("{name}: {off:.1e}");
        assert!(off < 1e-4, "{name}: {off}");
    }
}

#[test]
fn so_is_the_climb_that_fills_in_everything() {
    let (prior, problem) = (prior(), problem());
    let rungs =
        CartesianRungs::new(family(&prior), (&problem, &lines()), UNIT, &FILLING, &Device::Cpu).unwrap();
    let found = FILLING.run(&prior, &rungs, &Silent).unwrap();
    let off = largest(&found, &reference()["climb_full"].narrow(0, 5, 1).unwrap());
    assert!(off < 1e-4, "{off}");
    let renewed = &reference()["climb_turn"].narrow(0, 5, 1).unwrap();
    assert!(largest(&found, renewed) > 1e-3, "the two ways are the same");
}

#[test]
fn the_masks_are_those_of_pytorch() {
    let expected: Vec<Vec<u8>> = reference()["masks"].to_vec2().unwrap();
    let found = recon_operators::nested_lines(&recon_operators::mirrored_lines(&lines()), 6);
    let found: Vec<Vec<u8>> =
        found.iter().map(|mask| mask.iter().map(|&kept| u8::from(kept)).collect()).collect();
    assert_eq!(found, expected);
}

/// A network that adds nothing leaves the start at every rung, where it has no negative values; σₑ falls.
#[test]
fn the_identity_gives_the_start() {
    let prior = prior();
    let problem = measure(&(truth() + 100.0), &Mask::columns(24, &lines())).unwrap();
    let rungs =
        CartesianRungs::new(family(&prior), (&problem, &lines()), UNIT, &RENEWING, &Device::Cpu).unwrap();
    for flips in [Flips::Upright, Flips::Turn, Flips::All] {
        let identity = Identity(Mutex::default());
        let found = climb(flips, 6).run(&identity, &rungs, &Silent).unwrap();
        assert!(largest(&found, &rungs.start().unwrap()) < 1e-5, "{flips:?}");
        let sigmas = identity.0.into_inner().unwrap();
        assert_eq!(sigmas.len(), 6 * flips.calls());
        assert!(sigmas.windows(2).all(|pair| pair[1] <= pair[0]), "{sigmas:?}");
    }
}

fn conditioned(flips: Flips, steps: usize) -> Conditioned<PhasedFourier> {
    Conditioned {
        prior: Arc::new(prior()),
        climb: climb(flips, steps),
        trial: None,
        fallback: Box::new(Direct),
        fallback_name: "direct",
        unit: Unit::Arbitrary,
        device: Device::Cpu,
    }
}

fn reconstruct(problem: &Problem<PhasedFourier>) -> Estimate<Array2<f32>> {
    conditioned(Flips::Turn, 6).reconstruct(problem, SEED, &Silent).unwrap()
}

#[test]
fn the_result_explains_the_measured_lines() {
    let problem = problem();
    for flips in [Flips::Upright, Flips::Turn, Flips::All] {
        let found = conditioned(flips, 6).reconstruct(&problem, SEED, &Silent).unwrap();
        assert!(problem.residual(&found.image) < 1e-5, "{flips:?}: {}", problem.residual(&found.image));
        assert_eq!((found.network_calls, found.remark), (6 * flips.calls(), None));
    }
}

#[test]
fn noisy_lines_are_fitted_and_not_put_back() {
    let mut problem = problem();
    let exact = reconstruct(&problem).image;
    problem.noise = DataNoise::white(1e-4);
    let nearly = reconstruct(&problem).image;
    assert!((&nearly - &exact).mapv(f32::abs).fold(0.0, |m: f32, v| m.max(*v)) < 1e-2 * 200.0);
    assert!(problem.residual(&nearly) < 1e-3);
    problem.noise = DataNoise::white(100.0);
    let free = problem.residual(&reconstruct(&problem).image);
    assert!(free > 0.02, "{free}");
}

fn why(problem: &Problem<PhasedFourier>) -> String {
    let found = reconstruct(problem);
    assert_eq!(found.network_calls, 0);
    assert_eq!(found.image, problem.transform.inverse(&problem.measured));
    found.remark.expect("a reason")
}

fn planned(plan: &SamplingPlan, rows: usize, cols: usize) -> Problem<PhasedFourier> {
    let image = Array2::from_shape_fn((rows, cols), |(i, j)| (0.2 * i as f32).sin().abs() + 0.01 * j as f32);
    measure(&image, &plan.mask(rows, cols).unwrap()).unwrap()
}

#[test]
fn measurements_of_other_families_are_left_to_another_method() {
    let plan = SamplingPlan::equispaced(4.0);
    let rows = SamplingPlan { phase_axis: PhaseAxis::Rows, ..plan.clone() };
    assert!(why(&planned(&rows, 96, 64)).starts_with("lines are left out along rows"));
    let points = SamplingPlan { sampling: Sampling::PoissonDisc, ..plan.clone() };
    assert!(why(&planned(&points, 64, 64)).starts_with("single points"));
    assert!(
        why(&planned(&SamplingPlan::equispaced(1.0), 64, 64)).starts_with("1.0x is outside of the 2x to 24x")
    );
    let fast = SamplingPlan { center_fraction: Some(0.005), ..SamplingPlan::equispaced(40.0) };
    assert!(why(&planned(&fast, 64, 480)).contains("is outside of the 2x to 24x"));
    let wide = SamplingPlan { center_fraction: Some(0.2), ..plan.clone() };
    assert!(why(&planned(&wide, 64, 256)).starts_with("a centre of "));
    let narrow =
        SamplingPlan { center_fraction: Some(0.0), offset: Some(1), ..SamplingPlan::equispaced(8.0) };
    assert!(why(&planned(&narrow, 64, 256)).starts_with("a centre of "));
    let mut phased = problem();
    let phase = Array2::from_elem((24, 32), Complex32::new(0.0, 1.0));
    phased.transform = PhasedFourier::new(24, 32, Some(phase));
    assert!(why(&phased).contains("has a phase"));
    assert!(why(&phased).ends_with("reconstructed with --method direct instead"));
}

#[test]
fn the_masks_of_the_program_are_of_the_family() {
    let prior = prior();
    for (acceleration, cols) in
        [(2.0, 128), (4.0, 256), (4.0, 218), (8.0, 320), (8.0, 181), (12.0, 256), (24.0, 384)]
    {
        for sampling in [Sampling::Equispaced, Sampling::Random, Sampling::Gaussian1d] {
            for seed in 0..5 {
                let plan = SamplingPlan { sampling, seed, ..SamplingPlan::equispaced(acceleration) };
                let found = family(&prior).lines(&planned(&plan, 8, cols));
                // Random lines meet their acceleration on average only.
                let may_differ = sampling == Sampling::Random;
                assert!(
                    may_differ || found.is_ok(),
                    "{sampling:?} {acceleration}x of {cols}, seed {seed}: {found:?}"
                );
            }
        }
    }
}

#[test]
fn shuffled_data_are_no_real_image_and_leave_a_residual() {
    let mut shuffled = problem();
    let kept: Vec<usize> = (0..32).filter(|&line| lines()[line]).collect();
    let before = shuffled.measured.clone();
    for (k, &line) in kept.iter().enumerate() {
        let from = kept[(k + 3) % kept.len()];
        shuffled.measured.column_mut(line).assign(&before.column(from));
    }
    assert!(why(&shuffled).starts_with("no real image explains the measurement"));
    // Told that they are noisy, they are believed, and the residual says that they are not explained.
    shuffled.noise = DataNoise::white(1e-3);
    let found = reconstruct(&shuffled);
    assert!(found.remark.is_none() && shuffled.residual(&found.image) > 0.1);
}

#[test]
fn threads_and_seeds_do_not_change_a_bit() {
    let plan = SamplingPlan::equispaced(4.0);
    let problem = planned(&plan, 150, 160);
    let run = |threads: usize, seed: u64| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let seed = SliceSeed { seed, ..SEED };
        pool.install(|| conditioned(Flips::All, 3).reconstruct(&problem, seed, &Silent).unwrap().image)
    };
    let one = run(1, 1);
    assert_eq!(one, run(2, 1));
    assert_eq!(one, run(1, 2));
}

#[test]
fn an_image_does_not_depend_on_its_neighbours_in_a_batch() {
    let (prior, problem) = (prior(), problem());
    let rungs =
        CartesianRungs::new(family(&prior), (&problem, &lines()), UNIT, &RENEWING, &Device::Cpu).unwrap();
    let alone = rungs.question(rungs.start().unwrap(), 1).unwrap();
    let doubled = |x: &Tensor, scale: f64| Tensor::cat(&[x, &(x * scale).unwrap()], 0).unwrap();
    let both = Question {
        image: doubled(&alone.image, 0.3),
        direct: doubled(&alone.direct, 0.3),
        planes: alone.planes.iter().map(|plane| doubled(plane, 1.0)).collect(),
        sigma: alone.sigma,
    };
    let first = prior.estimate(&both).unwrap().narrow(0, 0, 1).unwrap();
    assert_eq!(largest(&first, &prior.estimate(&alone).unwrap()), 0.0);
}

#[test]
fn the_registry_makes_it_of_a_folder_and_refuses_other_priors() {
    let registry = Registry::new(DeviceChoice::Cpu);
    let with = |model: &str| {
        let layers = Layers::default().set("model", model).unwrap().set("score.steps", 2_i64).unwrap();
        let spec = registry.resolve("conditional", Task::Mri, &layers).unwrap();
        registry.build::<PhasedFourier>(&spec, Task::Mri, Unit::Arbitrary).map(|method| (spec, method))
    };
    let bundle = folder().join("bundle").display().to_string();
    let (spec, method) = with(&bundle).unwrap();
    let MethodSpec::Conditional(conditional) = &spec else { panic!("{spec:?}") };
    assert_eq!(conditional.fallback.model, "mr");
    assert_eq!(MethodSpec::of_table(Task::Mri, &spec.table()).unwrap(), spec);
    let found = method.run.reconstruct(&problem(), SEED, &Silent).unwrap();
    // Six rungs and the trial of the result.
    assert_eq!((found.network_calls, found.remark, method.name), (7, None, "conditional"));
    let rows = SamplingPlan { phase_axis: PhaseAxis::Rows, ..SamplingPlan::equispaced(4.0) };
    let other = method.run.reconstruct(&planned(&rows, 32, 32), SEED, &Silent).unwrap();
    assert!(other.remark.is_some_and(|remark| remark.ends_with("reconstructed with --method score instead")));
    assert!(other.network_calls > 0);
    let refused = |model: &str| with(model).err().expect(model).to_string();
    assert!(refused("mr").contains("is an unconditional prior"));
    let source = ModelSource::Path(folder().join("bundle"));
    assert!(open(&source, &Device::Cpu).is_err_and(|error| error.to_string().contains("conditional prior")));
    let card = read_card(&source).unwrap();
    let again: recon::models::Manifest = toml::from_str(&toml::to_string(&card).unwrap()).unwrap();
    assert_eq!(card, again);
}
