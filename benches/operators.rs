//! Times of the operators and solvers, and their ratios to what they cannot do without.
#![allow(missing_docs, reason = "the macro of the harness makes public items")]

mod ratio;

use divan::{Bencher, black_box};
use ndarray::Array2;
use num_complex::Complex32;
use ratio::Ratio;
use recon_operators::solvers::{TvProx, conjugate_gradient};
use recon_operators::{Filter, Fourier, LinearOperator, ParallelBeam, Radon, Transform};
use rustfft::{Fft, FftPlanner};
use std::sync::Arc;

/// Side of an image, in pixels.
const SIDES: [usize; 2] = [256, 512];
/// Side of a k-space.
const KSPACES: [usize; 2] = [320, 512];
const VIEWS: usize = 180;
/// Steps of a data fit.
const FIT: usize = 8;
/// Steps of the proximal map of the total variation.
const PROX: usize = 60;

fn main() {
    divan::main();
    if ratio::wanted() {
        ratios();
    }
}

fn radon(side: usize) -> Radon {
    Radon::new(ParallelBeam::equally_spaced(side, side, 1.0, VIEWS), Filter::Ramp).expect("a geometry")
}

/// A disc with a ripple.
fn image(side: usize) -> Array2<f32> {
    let centre = side as f32 / 2.0;
    Array2::from_shape_fn((side, side), |(i, j)| {
        let (y, x) = ((i as f32 - centre) / centre, (j as f32 - centre) / centre);
        if x * x + y * y < 0.8 { 1.0 + 0.1 * (20.0 * x).sin() * (14.0 * y).cos() } else { 0.0 }
    })
}

fn complex(side: usize) -> Array2<Complex32> {
    image(side).mapv(Complex32::from)
}

/// `(AᴴA + ε) x = Aᴴ y` by conjugate gradients.
fn fit(radon: &Radon, rhs: &Array2<f32>) -> Array2<f32> {
    conjugate_gradient(|x| radon.normal(x), rhs, Array2::zeros(rhs.dim()), FIT, 0.0)
}

/// The transforms along rows that a two-dimensional one is made of, without its transposition, shift and scale.
struct Plain {
    plan: Arc<dyn Fft<f32>>,
    values: Vec<Complex32>,
    scratch: Vec<Complex32>,
}

impl Plain {
    fn new(side: usize) -> Self {
        let plan = FftPlanner::new().plan_fft_forward(side);
        let scratch = vec![Complex32::default(); plan.get_inplace_scratch_len()];
        Self { plan, values: complex(side).into_raw_vec_and_offset().0, scratch }
    }

    /// Both directions. The values would overflow if they were transformed again and again.
    fn run(&mut self) {
        for _ in 0..2 {
            let mut values = self.values.clone();
            self.plan.process_with_scratch(&mut values, &mut self.scratch);
            black_box(values);
        }
    }
}

#[divan::bench(args = SIDES)]
fn radon_forward(bencher: Bencher, side: usize) {
    let (radon, image) = (radon(side), image(side));
    bencher.bench(|| radon.forward(black_box(&image)));
}

#[divan::bench(args = SIDES)]
fn radon_adjoint(bencher: Bencher, side: usize) {
    let radon = radon(side);
    let data = radon.forward(&image(side));
    bencher.bench(|| radon.adjoint(black_box(&data)));
}

#[divan::bench(args = SIDES)]
fn filtered_backprojection(bencher: Bencher, side: usize) {
    let radon = radon(side);
    let data = radon.forward(&image(side));
    bencher.bench(|| radon.inverse(black_box(&data)));
}

#[divan::bench(args = KSPACES)]
fn fourier(bencher: Bencher, side: usize) {
    let (fourier, image) = (Fourier::new(side, side), complex(side));
    bencher.bench(|| fourier.forward(black_box(&image)));
}

#[divan::bench(args = KSPACES)]
fn rustfft_rows_twice(bencher: Bencher, side: usize) {
    let mut plain = Plain::new(side);
    bencher.bench_local(|| plain.run());
}

#[divan::bench(sample_count = 10)]
fn conjugate_gradient_fit_256(bencher: Bencher) {
    let radon = radon(256);
    let rhs = radon.normal(&image(256));
    bencher.bench(|| fit(&radon, black_box(&rhs)));
}

#[divan::bench(args = SIDES, sample_count = 10)]
fn total_variation_prox_of_60_steps(bencher: Bencher, side: usize) {
    let (mut prox, image) = (TvProx::new(side, side, true), image(side));
    bencher.bench_local(|| prox.apply(black_box(&image), 0.01, PROX).sum());
}

fn ratios() {
    ratio::head();
    for side in KSPACES {
        fourier_ratio(side);
    }
    for side in SIDES {
        radon_ratios(side);
    }
}

/// Both on one thread, so that the ratio is that of the work.
fn fourier_ratio(side: usize) {
    let (fourier, image) = (Fourier::new(side, side), complex(side));
    let mut plain = Plain::new(side);
    let (job, limit) = (format!("FFT {side}²"), format!("rustfft along {side}² rows, twice"));
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
    one.install(|| {
        ratio::print(vec![Ratio::new((&job, || fourier.forward(&image)), (&limit, || plain.run()), 1.0)]);
    });
}

fn radon_ratios(side: usize) {
    let (radon, image) = (radon(side), image(side));
    let (data, rhs) = (radon.forward(&image), radon.normal(&image));
    let mut prox = TvProx::new(side, side, true);
    let name = |job: &str| format!("{job} {side}²");
    ratio::print(vec![
        Ratio::new(
            (&name("Radon adjoint"), || radon.adjoint(&data)),
            ("forward", || radon.forward(&image)),
            1.0,
        ),
        Ratio::new((&name("FBP"), || radon.inverse(&data)), ("adjoint", || radon.adjoint(&data)), 1.0),
        // One more application for the first residual.
        Ratio::new(
            (&name("CG, 8 steps"), || fit(&radon, &rhs)),
            ("9 AᴴA", || radon.normal(&image)),
            (FIT + 1) as f64,
        ),
        Ratio::new(
            (&name("TV prox, 60 steps"), || prox.apply(&image, 0.01, PROX).sum()),
            ("60 copies of 3 images", || [image.clone(), image.clone(), image.clone()]),
            PROX as f64,
        ),
    ]);
}
