//! A batch that looks like one: phantoms of a chest and of a head, measured too seldom and reconstructed.

use ndarray::{Array2, Axis, Slice};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use recon_data::Unit;
use recon_operators::{Field, Filter, LinearOperator, ParallelBeam, Radon, Transform};
use recon_pipelines::judge::{Baseline, Calibration, Comparison, Quality, QualitySums};
use recon_pipelines::report::page::{
    CaseStatus, Embedding, Layer, LayerKind, PackedImage, Page, PageCase, PageTypicality,
};
use recon_pipelines::report::preview::Window;

/// Rows and columns of a phantom.
const SIDE: usize = 256;

/// Where and how long an ellipse is, in halves of the image, how far it is turned, and what value it has.
type Ellipse = (f32, f32, f32, f32, f32, f32);

/// An image of ellipses, the later ones over the earlier ones.
fn ellipses(outside: f32, all: &[Ellipse]) -> Array2<f32> {
    Array2::from_shape_fn((SIDE, SIDE), |(i, j)| {
        let place = |n: usize| (n as f32 + 0.5) / SIDE as f32 * 2.0 - 1.0;
        let (y, x) = (place(i), place(j));
        let inside = |&(cx, cy, a, b, turn, _): &Ellipse| {
            let (sin, cos) = turn.sin_cos();
            let (u, v) = ((x - cx) * cos + (y - cy) * sin, (y - cy) * cos - (x - cx) * sin);
            (u / a).powi(2) + (v / b).powi(2) <= 1.0
        };
        all.iter().rev().find(|ellipse| inside(ellipse)).map_or(outside, |ellipse| ellipse.5)
    })
}

/// A slice through a chest, Hounsfield units; `at` from 0 to 1 moves from the neck down.
fn chest(case: usize, at: f32) -> Array2<f32> {
    let wide = 0.86 + 0.01 * (case % 5) as f32;
    let mut all: Vec<Ellipse> = vec![
        (0.0, 0.02, wide, 0.64, 0.0, -95.0),
        (0.0, 0.02, wide - 0.06, 0.58, 0.0, 45.0),
        (-0.42, -0.02, 0.3, 0.4 * (0.75 + 0.3 * at), 0.12, -860.0),
        (0.42, -0.02, 0.3, 0.4 * (0.75 + 0.3 * at), -0.12, -850.0),
        (0.07, -0.12, 0.24 * (0.7 + 0.5 * at), 0.23, 0.5, 55.0),
        (-0.02, 0.16, 0.09, 0.09, 0.0, 60.0),
        (0.0, 0.42, 0.13, 0.1, 0.0, 520.0),
        (0.0, 0.42, 0.1, 0.075, 0.0, 220.0),
        (0.0, 0.56, 0.04, 0.06, 0.0, 480.0),
    ];
    for n in 0..14 {
        let angle = (n as f32 + 0.5) / 14.0 * std::f32::consts::TAU + 0.3 * at;
        let (sin, cos) = angle.sin_cos();
        all.push(((wide - 0.1) * cos, 0.02 + 0.54 * sin, 0.075, 0.026, angle + 1.57, 640.0));
    }
    // Vessels: thick ones near the heart, thin ones further out.
    let chance = Array2::<f32>::randn(&[110, 3], &mut ChaCha8Rng::seed_from_u64(case as u64));
    for (n, place) in chance.rows().into_iter().enumerate() {
        let (side, far) = (if n % 2 == 0 { -1.0 } else { 1.0 }, place[0].abs().min(1.6) / 1.7);
        let (x, y) = (side * (0.24 + 0.42 * far), 0.25 * place[1] * (0.4 + far) + 0.04 * at);
        let inside = ((x - side * 0.42) / 0.27).powi(2) + ((y + 0.02) / 0.29).powi(2) < 1.0;
        let (long, thick) = (0.012 + 0.03 * (1.0 - far) * place[2].abs(), 0.006 + 0.012 * (1.0 - far));
        if inside {
            all.push((x, y, long.min(0.06), thick, place[1] * 2.0 + side * y, 20.0));
        }
    }
    ellipses(-1000.0, &all)
}

/// A slice through a head, in arbitrary units.
fn head(case: usize, at: f32) -> Array2<f32> {
    let open = 0.06 + 0.05 * at;
    let mut all: Vec<Ellipse> = vec![
        (0.0, 0.0, 0.7, 0.86, 0.0, 0.85),
        (0.0, 0.0, 0.665, 0.825, 0.0, 0.08),
        (0.0, 0.0, 0.62, 0.78, 0.0, 0.25),
        (0.0, 0.0, 0.6, 0.76, 0.0, 0.55),
    ];
    for n in 0..36 {
        let angle = n as f32 / 36.0 * std::f32::consts::TAU + 0.1 * case as f32;
        let reach = 0.9 + 0.07 * (n as f32 * 1.7 + at * 6.0).sin();
        let (x, y) = (0.49 * reach * angle.cos(), 0.63 * reach * angle.sin());
        all.push((x, y, 0.1, 0.045, angle + 0.35 * (n as f32).sin(), 0.74));
    }
    all.extend([
        (0.0, 0.0, 0.44, 0.56, 0.0, 0.74),
        (-0.16, -0.02, open, 0.3, 0.25, 0.2),
        (0.16, -0.02, open, 0.3, -0.25, 0.2),
        (-0.25, 0.06, 0.07, 0.16, 0.2, 0.58),
        (0.25, 0.06, 0.07, 0.16, -0.2, 0.58),
        (0.0, 0.0, 0.008, 0.76, 0.0, 0.3),
    ]);
    ellipses(0.02, &all)
}

/// Means over squares of `2 reach + 1` pixels.
fn smooth(image: &Array2<f32>, reach: usize) -> Array2<f32> {
    let mut out = image.clone();
    for axis in [Axis(0), Axis(1)] {
        let before = out.clone();
        for (n, mut line) in out.axis_iter_mut(axis).enumerate() {
            let (from, to) = (n.saturating_sub(reach), (n + reach + 1).min(SIDE));
            line.assign(&before.slice_axis(axis, Slice::from(from..to)).mean_axis(axis).expect("a line"));
        }
    }
    out
}

/// Where an image is not flat.
fn edges(image: &Array2<f32>) -> Array2<f32> {
    (image - &smooth(image, 2)).mapv(f32::abs)
}

/// Truth, baseline, result and standard deviation of a slice.
struct Drawn([Array2<f32>; 4]);

fn drawn(truth: Array2<f32>, baseline: Array2<f32>, scale: f32, rng: &mut ChaCha8Rng) -> Drawn {
    let noise = Array2::<f32>::randn(&[SIDE, SIDE], rng) * (0.012 * scale);
    let wrong = smooth(&(&baseline - &truth), 1) * 0.22;
    let result = smooth(&truth, 1) * 0.45 + &truth * 0.55 + wrong + smooth(&noise, 1) + &noise * 0.35;
    let deviation =
        smooth(&edges(&truth), 2) * 0.16 + edges(&baseline) * 0.08 + noise.mapv(|v| 0.15 * v.abs());
    Drawn([truth, baseline, result, deviation])
}

/// Filtered back-projection from 23 views.
fn seldom_viewed(truth: &Array2<f32>) -> Array2<f32> {
    let radon =
        Radon::new(ParallelBeam::equally_spaced(SIDE, SIDE, 1.5, 23), Filter::Hann).expect("a geometry");
    let attenuation = truth.mapv(|hu| 0.02 * (hu / 1000.0 + 1.0));
    radon.inverse(&radon.forward(&attenuation)).mapv(|mu| (mu / 0.02 - 1.0) * 1000.0)
}

/// As a head folds over when every fourth line is measured.
fn folded(truth: &Array2<f32>, rng: &mut ChaCha8Rng) -> Array2<f32> {
    let blurred = smooth(truth, 2);
    let shifted = |by: usize| Array2::from_shape_fn((SIDE, SIDE), |(i, j)| blurred[[i, (j + by) % SIDE]]);
    let noise = Array2::<f32>::randn(&[SIDE, SIDE], rng) * 0.015;
    blurred.clone() * 0.8 + shifted(64) * 0.12 + shifted(192) * 0.12 + noise
}

/// What kind of scan a case is.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Chest,
    Head,
}

impl Kind {
    fn slice(self, case: usize, at: f32, rng: &mut ChaCha8Rng) -> Drawn {
        match self {
            Self::Chest => {
                let truth = chest(case, at) + smooth(&Array2::randn(&[SIDE, SIDE], rng), 1) * 12.0;
                let baseline = seldom_viewed(&truth);
                drawn(truth, baseline, 1000.0, rng)
            }
            Self::Head => {
                let truth = head(case, at) + smooth(&Array2::randn(&[SIDE, SIDE], rng), 1) * 0.02;
                let baseline = folded(&truth, rng);
                drawn(truth, baseline, 1.0, rng)
            }
        }
    }

    fn unit(self) -> (&'static str, Unit, f32) {
        match self {
            Self::Chest => ("HU", Unit::Hounsfield, 800.0),
            Self::Head => ("a.u.", Unit::Arbitrary, 1.0),
        }
    }

    fn windows(self) -> (Window, Window) {
        let window = |low, high| Window { low, high };
        match self {
            Self::Chest => (Window::SOFT_TISSUE, window(0.0, 100.0)),
            Self::Head => (window(0.0, 1.0), window(0.0, 0.06)),
        }
    }
}

/// A finished case with its pictures and metrics.
fn finished(kind: Kind, case: usize, embedding: Embedding) -> PageCase {
    let mut rng = ChaCha8Rng::seed_from_u64(case as u64);
    let count = embedding.slices.max(1);
    let slices: Vec<Drawn> =
        (0..count).map(|n| kind.slice(case, (n as f32 + 0.5) / count as f32, &mut rng)).collect();
    let (method, baseline, task) = match kind {
        Kind::Chest => ("decomposed", "fbp", "ct, 23 views"),
        Kind::Head => ("song", "zero-filled", "mri, 4x"),
    };
    PageCase {
        name: format!("{}-{case:03}", if kind == Kind::Chest { "chest" } else { "head" }),
        task: task.into(),
        method: method.into(),
        status: CaseStatus::Done,
        seconds: Some(31.0 + 7.3 * (case as f64 * 1.9).sin() + 4.0 * case as f64),
        network_calls: Some(count as u64 * 100),
        data_residual: Some(0.004 + 0.0017 * (case as f64 * 2.3).sin().abs()),
        typicality: Some(PageTypicality {
            denoising_error: 0.27 + 0.03 * (case as f64 * 1.3).sin(),
            known: Some([0.22, 0.31]),
        }),
        metrics: Some(comparison(kind, &slices, baseline)),
        output: Some(format!("results/{case:03}.nii.gz")),
        links: vec![
            ("Result".into(), format!("results/{case:03}.nii.gz")),
            ("Sidecar".into(), format!("results/{case:03}.json")),
            ("Preview".into(), format!("results/{case:03}.png")),
        ],
        slice_numbers: (0..count).map(|n| 12 + 96 * n / count).collect(),
        layers: layers(kind, &slices, (method, baseline), embedding),
        ..PageCase::default()
    }
}

fn layers(
    kind: Kind,
    slices: &[Drawn],
    (method, baseline): (&str, &str),
    embedding: Embedding,
) -> Vec<Layer> {
    let (window, spread) = kind.windows();
    let layer = |kind_of: LayerKind, at: usize, label: &str, window: Window| Layer {
        kind: kind_of,
        label: label.into(),
        slices: slices.iter().map(|drawn| PackedImage::pack(&drawn.0[at].view(), embedding.depth)).collect(),
        unit: kind.unit().0.into(),
        window,
    };
    vec![
        layer(LayerKind::Truth, 0, "", window),
        layer(LayerKind::Baseline, 1, baseline, window),
        layer(LayerKind::Result, 2, method, window),
        layer(LayerKind::StandardDeviation, 3, "", spread),
    ]
}

fn comparison(kind: Kind, slices: &[Drawn], baseline: &str) -> Comparison {
    let (_, unit, largest) = kind.unit();
    let quality = |at: usize| -> Quality {
        let mut sums = QualitySums::new(largest, unit);
        for drawn in slices {
            sums.add(&drawn.0[0], &drawn.0[at]).expect("one shape");
        }
        sums.finish()
    };
    let calibration = Calibration { ratio: 0.93, coverage: 0.88 };
    Comparison {
        preset: "fastmri".into(),
        result: quality(2),
        baselines: vec![Baseline { name: baseline.into(), quality: quality(1) }],
        calibration: Some(calibration),
    }
}

/// A case that has no result.
fn without(name: &str, status: CaseStatus, reason: Option<&str>) -> PageCase {
    PageCase {
        name: name.into(),
        task: "ct, 23 views".into(),
        method: "decomposed".into(),
        status,
        reason: reason.map(Into::into),
        ..PageCase::default()
    }
}

/// Five cases with odd names and reasons among `finished` ordinary ones.
pub(crate) fn batch(ordinary: usize, embedding: Embedding) -> Page {
    let kind = |case: usize| if case % 5 < 3 { Kind::Chest } else { Kind::Head };
    let mut cases: Vec<PageCase> = (0..ordinary).map(|case| finished(kind(case), case, embedding)).collect();
    if let Some(case) = cases.get_mut(1) {
        case.typicality = Some(PageTypicality { denoising_error: 0.417, known: Some([0.22, 0.31]) });
        case.warnings = vec![
            "3 slices (14, 33, 52, ...): unlike what the model was trained on (denoising error 0.417, usual 0.220 to \
             0.310); details may be invented, compare with a classical method"
                .into(),
            "slice 52: 3 % of pixels have values that the model was not trained on; check --unit and the scale of the \
             input"
                .into(),
        ];
    }
    let failure = "results/chest-901.nii.gz: no space left on device; free some, then give --resume";
    cases.push(without("chest-901", CaseStatus::Failed, Some(failure)));
    cases.push(without(
        "<script>alert(\"901\")</script>\u{202e}&'x'",
        CaseStatus::Failed,
        Some("<img src=x onerror=alert(1)>"),
    ));
    cases.push(PageCase {
        seconds: Some(12.0),
        ..without("chest-902", CaseStatus::Running, Some("slice 3 of 120"))
    });
    cases.push(without("chest-903", CaseStatus::Pending, None));
    cases.push(without("chest-904", CaseStatus::Pending, None));
    Page {
        title: "Phantom study: chest CT and head MR".into(),
        generated: "27 November 2026, 09:00".into(),
        version: "0.1.0".into(),
        facts: vec![("Seed".into(), "1".into()), ("Device".into(), "CPU, 16 threads".into())],
        wall_seconds: Some(754.0),
        cases,
    }
}

/// A finished batch without odd names, for pictures.
#[allow(dead_code, reason = "the tests have no use for it")]
pub(crate) fn tidy(ordinary: usize, embedding: Embedding) -> Page {
    let mut page = batch(ordinary, embedding);
    page.cases.retain(|case| !case.name.contains('<'));
    page
}
