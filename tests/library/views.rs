//! Conditional priors of parallel views: the climb against PyTorch's (fixtures/views/README.md), and what must hold for any
//! network.

use candle_core::{DType, Device, Tensor};
use ndarray::{Array2, s};
use recon::device::DeviceChoice;
use recon::methods::{Conditioned, Registry};
use recon::models::{ConditionalPrior, Family, Manifest, ModelSource, open_conditional, read_card};
use recon::score::measure::bridge;
use recon::score::{Climb, ConditionalModel, Flips, ParallelFamily, ParallelRungs, Question, Rungs};
use recon::settings::{Layers, MethodSpec, TvSpec};
use recon_data::Unit;
use recon_operators::{DataNoise, Filter, LinearOperator, Mask, ParallelBeam, Problem, Radon, Transform};
use recon_pipelines::task::ct::measure;
use recon_pipelines::{Acquisition, Direct, Estimate, Methods, Reconstruct, Silent, SliceSeed, Task};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

const SEED: SliceSeed = SliceSeed { seed: 3, case: 5, slice: 7 };
/// Attenuation that is 1 in model units, 1/mm.
const UNIT: f32 = 0.0384;
const SIDE: usize = 32;
const VIEWS: usize = 10;
/// Pixels in mm: nothing may depend on it.
const SPACING: f32 = 1.5;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/views")
}

fn reference() -> HashMap<String, Tensor> {
    candle_core::safetensors::load(folder().join("reference.safetensors"), &Device::Cpu).unwrap()
}

fn prior() -> ConditionalPrior {
    open_conditional(&ModelSource::Path(folder().join("bundle")), &Device::Cpu).unwrap()
}

fn family(prior: &ConditionalPrior) -> &ParallelFamily {
    let Family::ParallelViews(family) = prior.family() else { panic!("a family of views") };
    family
}

fn climb(flips: Flips, steps: usize) -> Climb {
    let layers = Layers::default().set("model", folder().join("bundle").display().to_string()).unwrap();
    let spec = Registry::new(DeviceChoice::Cpu).resolve("conditional", Task::Ct, &layers).unwrap();
    let MethodSpec::Conditional(spec) = spec else { panic!("{spec:?}") };
    Climb { steps, flips, ..spec.climb }
}

/// In 1/mm.
fn truth() -> Array2<f32> {
    let image = reference()["truth"].unsqueeze(0).unwrap().unsqueeze(0).unwrap();
    bridge::to_images(&image).unwrap().remove(0) * UNIT
}

fn scanner(views: usize) -> Radon {
    Radon::new(ParallelBeam::equally_spaced(SIDE, SIDE, SPACING, views), Filter::Ramp).unwrap()
}

fn problem() -> Problem<Radon> {
    measure(&truth(), &scanner(VIEWS)).unwrap()
}

fn variation(problem: &Problem<Radon>) -> Array2<f32> {
    Radon::start(Task::Ct, TvSpec::start(Task::Ct)).reconstruct(problem, SEED, &Silent).unwrap().image
}

fn rungs<'a>(family: &'a ParallelFamily, problem: &'a Problem<Radon>) -> ParallelRungs<'a> {
    ParallelRungs::new(family, problem, variation(problem), UNIT, &Device::Cpu).unwrap()
}

fn largest(a: &Tensor, b: &Tensor) -> f64 {
    let difference = (a.to_dtype(DType::F64).unwrap() - b.to_dtype(DType::F64).unwrap()).unwrap();
    difference.abs().unwrap().flatten_all().unwrap().max(0).unwrap().to_scalar().unwrap()
}

fn close(name: &str, found: &Tensor, expected: &Tensor) {
    let off = largest(found, expected);
    println!("{name}: {off:.1e}");
    assert!(off < 1e-4, "{name}: {off}");
}

#[test]
fn the_climb_is_that_of_pytorch() {
    let (reference, prior, problem) = (reference(), prior(), problem());
    let rungs = rungs(family(&prior), &problem);
    let sinogram = bridge::to_tensor(&[problem.measured.mapv(|v| v / UNIT / SPACING)], &Device::Cpu).unwrap();
    close("sinogram", &sinogram.squeeze(0).unwrap().squeeze(0).unwrap(), &reference["sinogram"]);
    let start = rungs.start().unwrap();
    let question = rungs.question(start.clone(), 1).unwrap();
    let call = prior.estimate(&question).unwrap();
    let variation = bridge::to_tensor(&[variation(&problem) / UNIT], &Device::Cpu).unwrap();
    close("direct", &question.direct, &reference["direct"]);
    close("variation", &variation, &reference["variation"]);
    close("start", &start, &reference["start"]);
    close("call", &call, &reference["call"]);
    close("restored", &rungs.restored(&call, 1).unwrap(), &reference["restored"]);
    for (name, flips) in [("one", Flips::Upright), ("turn", Flips::Turn), ("all", Flips::All)] {
        let found = climb(flips, 3).run(&prior, &rungs, &Silent).unwrap();
        close(name, &found, &reference[&format!("climb_{name}")]);
    }
}

#[test]
fn the_usual_errors_are_those_of_pytorch() {
    let (reference, prior) = (reference(), prior());
    let asked = reference["asked"].to_vec2::<i64>().unwrap();
    let expected = reference["sigmas"].to_vec1::<f64>().unwrap();
    for (which, expected) in asked.iter().zip(expected) {
        let &[side, views, call] = which.as_slice() else { panic!("{which:?}") };
        let side = side as usize;
        let found = family(&prior).sigma((side, side), views as usize, call as usize);
        assert!((found / expected - 1.0).abs() < 1e-6, "{which:?}: {found} is not {expected}");
    }
    // A wide image counts as a square one of as many pixels.
    assert_eq!(family(&prior).sigma((20, 800), 17, 3), family(&prior).sigma((126, 127), 17, 3));
}

/// Takes every image for clean.
struct Identity;

impl ConditionalModel for Identity {
    fn estimate(&self, question: &Question) -> candle_core::Result<Tensor> {
        Ok(question.image.clone())
    }
}

/// A network that changes nothing leaves the start, which later fits bring a little nearer to the data.
#[test]
fn the_identity_gives_the_start() {
    let (prior, problem) = (prior(), problem());
    let rungs = rungs(family(&prior), &problem);
    for flips in [Flips::Upright, Flips::Turn, Flips::All] {
        let found = climb(flips, 5).run(&Identity, &rungs, &Silent).unwrap();
        let start = rungs.start().unwrap();
        let fitted = (0..5).fold(start.clone(), |image, rung| rungs.restored(&image, rung).unwrap());
        assert_eq!(largest(&found, &fitted), 0.0, "{flips:?}");
        // Values reach 0.9; measured 3.1e-3.
        assert!(largest(&found, &start) < 6e-3, "{flips:?}: {}", largest(&found, &start));
    }
}

#[test]
fn the_planes_and_the_usual_error_say_views_and_call() {
    let (prior, problem) = (prior(), problem());
    let rungs = rungs(family(&prior), &problem);
    let ask = |rung: usize| {
        let question = rungs.question(rungs.start().unwrap(), rung).unwrap();
        let values =
            question.planes.iter().map(|plane| plane.flatten_all().unwrap().to_vec1::<f32>().unwrap());
        let values: Vec<f32> = values
            .map(|plane| {
                assert!(plane.len() == SIDE * SIDE && plane.iter().all(|value| *value == plane[0]));
                plane[0]
            })
            .collect();
        (values[0], values[1], question.sigma)
    };
    let (views, call, first) = ask(0);
    assert!((f64::from(views) - (10.0_f64 / 23.0).log2() / 4.0).abs() < 1e-7 && call == 0.0);
    let (_, third, _) = ask(2);
    assert!((third - 2.0 / 3.0).abs() < 1e-7);
    let (_, last, sigma) = ask(3);
    assert!(last == 1.0 && sigma < first && ask(11) == ask(3));
}

fn conditioned(flips: Flips, steps: usize, unit: Unit) -> Conditioned<Radon> {
    Conditioned {
        prior: Arc::new(prior()),
        climb: climb(flips, steps),
        trial: None,
        fallback: Box::new(Direct),
        fallback_name: "direct",
        unit,
        device: Device::Cpu,
    }
}

fn reconstruct(problem: &Problem<Radon>) -> Estimate<Array2<f32>> {
    conditioned(Flips::Turn, 3, Unit::Hounsfield).reconstruct(problem, SEED, &Silent).unwrap()
}

#[test]
fn the_result_explains_the_measured_views() {
    let problem = problem();
    for flips in [Flips::Upright, Flips::Turn, Flips::All] {
        let method = conditioned(flips, 3, Unit::Attenuation);
        let found = method.reconstruct(&problem, SEED, &Silent).unwrap();
        assert!(problem.residual(&found.image) < 0.01, "{flips:?}: {}", problem.residual(&found.image));
        assert_eq!((found.network_calls, found.remark), (3 * flips.calls(), None));
    }
}

/// Why a measurement is left to the other method, which gives the result.
fn why(problem: &Problem<Radon>) -> String {
    let found = reconstruct(problem);
    assert_eq!(found.network_calls, 0);
    assert_eq!(found.image, problem.transform.inverse(&problem.measured));
    found.remark.expect("a reason")
}

/// The views of a scanner that differs from that of the fixture.
fn seen_by(change: impl FnOnce(&mut ParallelBeam)) -> Problem<Radon> {
    let mut geometry = ParallelBeam::equally_spaced(SIDE, SIDE, SPACING, VIEWS);
    change(&mut geometry);
    measure(&truth(), &Radon::new(geometry, Filter::Ramp).unwrap()).unwrap()
}

#[test]
fn measurements_of_other_families_are_left_to_another_method() {
    let turned = |by: f64| move |g: &mut ParallelBeam| g.angles.iter_mut().for_each(|angle| *angle += by);
    let cases = [
        (measure(&truth(), &scanner(7)).unwrap(), "7 views are outside of the 8 to 90"),
        (measure(&truth(), &scanner(91)).unwrap(), "91 views are outside of the 8 to 90"),
        (seen_by(|g| g.angles[3] += 0.1), "the angles are not equally spaced"),
        (
            seen_by(|g| g.angles.iter_mut().for_each(|angle| *angle *= 0.75)),
            "the angles are not equally spaced",
        ),
        (seen_by(turned(0.1)), "the angles are not equally spaced from 0"),
        (seen_by(|g| g.detector_spacing *= 2.0), "detector bins are 2.00 pixels wide"),
        (seen_by(|g| g.detectors = SIDE), "the detector covers 32 pixels"),
        (seen_by(|g| g.axis_offset = 4.0), "the detector covers 38 pixels"),
        (Problem { noise: DataNoise::white(0.01), ..problem() }, "the data have noise"),
    ];
    for (problem, expected) in cases {
        let found = why(&problem);
        assert!(found.starts_with(expected), "{found}");
        assert!(found.ends_with("; reconstructed with --method direct instead") && !found.contains('\n'));
    }
    let mut holes = vec![true; problem().measured.len()];
    holes[17] = false;
    let holes = Problem::new(scanner(VIEWS), Mask::new(holes), problem().measured).unwrap();
    assert!(why(&holes).starts_with("some rays are not measured"));
    let plain = conditioned(Flips::Turn, 3, Unit::Arbitrary).reconstruct(&problem(), SEED, &Silent).unwrap();
    assert!(plain.remark.is_some_and(|remark| remark.starts_with("the images have no unit")));
}

#[test]
fn measurements_of_the_family_may_differ_in_what_the_network_cannot_tell() {
    for change in [
        (|g| g.angles.reverse()) as fn(&mut ParallelBeam),
        |g| g.angles[4] += std::f64::consts::PI,
        |g| g.detectors += 5,
        |g| (g.rows, g.cols, g.detectors) = (20, 32, 40),
    ] {
        let mut geometry = ParallelBeam::equally_spaced(SIDE, SIDE, SPACING, VIEWS);
        change(&mut geometry);
        let image = truth().slice(s![..geometry.rows, ..]).to_owned();
        let problem = measure(&image, &Radon::new(geometry, Filter::Hann).unwrap()).unwrap();
        let found = reconstruct(&problem);
        assert_eq!((found.remark, found.network_calls), (None, 3));
        assert!(problem.residual(&found.image) < 0.02, "{}", problem.residual(&found.image));
    }
}

#[test]
fn shuffled_views_are_told_or_leave_a_residual() {
    let exact = problem();
    let usual = exact.residual(&reconstruct(&exact).image);
    // Every second view is of another slice: of one with another sum, then of one with the same.
    let of = |other: &Array2<f32>| {
        let mut mixed = problem();
        let views = mixed.transform.forward(other);
        for view in (0..VIEWS).step_by(2) {
            mixed.measured.row_mut(view).assign(&views.row(view));
        }
        mixed
    };
    assert!(why(&of(&(truth() * 1.2))).starts_with("no image explains the measurement"));
    let mixed = of(&truth().t().as_standard_layout().into_owned());
    let found = reconstruct(&mixed);
    assert_eq!(found.remark, None);
    // The data of one slice against the image of another.
    let other = measure(&truth().slice(s![..;-1, ..]).to_owned(), &scanner(VIEWS)).unwrap();
    for residual in [mixed.residual(&found.image), other.residual(&reconstruct(&exact).image)] {
        assert!(residual > 0.02 && residual > 10.0 * usual, "{residual}, usually {usual}");
    }
}

#[test]
fn threads_and_seeds_do_not_change_a_bit() {
    let image = Array2::from_shape_fn((90, 110), |(i, j)| {
        let inside = (i as f32 - 44.0).hypot(j as f32 - 57.0) < 38.0;
        f32::from(u8::from(inside)) * (0.02 + 0.004 * (0.3 * i as f32).sin())
    });
    let radon = Radon::new(ParallelBeam::equally_spaced(90, 110, 1.0, 12), Filter::Ramp).unwrap();
    let problem = measure(&image, &radon).unwrap();
    let run = |threads: usize, seed: u64| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let method = conditioned(Flips::All, 2, Unit::Hounsfield);
        let seed = SliceSeed { seed, ..SEED };
        pool.install(|| method.reconstruct(&problem, seed, &Silent).unwrap().image)
    };
    let one = run(1, 1);
    assert_eq!(one, run(2, 1));
    assert_eq!(one, run(1, 2));
}

#[test]
fn the_registry_makes_it_of_a_folder() {
    let registry = Registry::new(DeviceChoice::Cpu);
    let bundle = folder().join("bundle").display().to_string();
    let layers = Layers::default().set("model", bundle).unwrap();
    let spec = registry.resolve("conditional", Task::Ct, &layers).unwrap();
    let MethodSpec::Conditional(conditional) = &spec else { panic!("{spec:?}") };
    assert_eq!((conditional.climb.steps, conditional.fallback.model.as_str()), (12, "ct"));
    assert_eq!(MethodSpec::of_table(Task::Ct, &spec.table()).unwrap(), spec);
    let method = registry.build::<Radon>(&spec, Task::Ct, Unit::Hounsfield).unwrap();
    let found = method.run.reconstruct(&problem(), SEED, &Silent).unwrap();
    assert_eq!((found.network_calls, found.remark, method.name), (13, None, "conditional"));
    assert!(registry.resolve("conditional", Task::Mar, &layers).is_err());
    let card = read_card(&ModelSource::Path(folder().join("bundle"))).unwrap();
    let again: Manifest = toml::from_str(&toml::to_string(&card).unwrap()).unwrap();
    assert_eq!(card, again);
}

#[test]
fn impossible_families_are_named() {
    let prior = prior();
    let changed = |change: fn(&mut ParallelFamily)| {
        let mut family = family(&prior).clone();
        change(&mut family);
        family.problem()
    };
    assert_eq!(changed(|_| ()), None);
    let bad: [fn(&mut ParallelFamily); 9] = [
        |f| f.views = [0, 90],
        |f| f.views = [90, 8],
        |f| f.levels.clear(),
        |f| f.levels[1].sigma[0].truncate(3),
        |f| f.levels[0].sigma[0][0] = -1.0,
        |f| f.start.weight = f64::NAN,
        |f| f.start.iterations = 0,
        |f| f.fit.weight = 0.0,
        |f| f.fit.iterations = 1_000_000,
    ];
    for (k, change) in bad.into_iter().enumerate() {
        assert!(changed(change).is_some_and(|text| text.starts_with("family.")), "{k}");
    }
}
