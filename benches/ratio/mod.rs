//! Ratios to limits that are measured in the same run.

use std::hint::black_box;
use std::time::Instant;

/// Rounds of which the fastest counts.
const ROUNDS: usize = 7;

/// A job beside the work that it cannot do without.
pub(crate) struct Ratio<'a> {
    /// What is measured.
    pub(crate) job: String,
    /// What it is set against.
    pub(crate) limit: String,
    /// How often the limit's work stands in the job.
    pub(crate) times: f64,
    /// Does the job, then the limit's work.
    pub(crate) run: [Box<dyn FnMut() + 'a>; 2],
}

impl<'a> Ratio<'a> {
    /// A job and the work that stands in it `times` times.
    pub(crate) fn new<A, B>(
        (job, mut run): (&str, impl FnMut() -> A + 'a),
        (limit, mut least): (&str, impl FnMut() -> B + 'a),
        times: f64,
    ) -> Self {
        let run: Box<dyn FnMut() + 'a> = Box::new(move || drop(black_box(run())));
        let least: Box<dyn FnMut() + 'a> = Box::new(move || drop(black_box(least())));
        Self { job: job.to_owned(), limit: limit.to_owned(), times, run: [run, least] }
    }
}

/// Whether `cargo bench` has asked for everything, rather than for a list or for the benches of a name.
pub(crate) fn wanted() -> bool {
    std::env::args().skip(1).all(|argument| argument == "--bench")
}

/// Prints the head of the table that [`print`] fills.
pub(crate) fn head() {
    println!("\n| job | ms | limit | ms | ratio |\n|---|---|---|---|---|");
}

/// Prints a row for each ratio: both works by turns, the least wall time of several rounds.
pub(crate) fn print(ratios: Vec<Ratio<'_>>) {
    for Ratio { job, limit, times, run: [mut job_run, mut limit_run] } in ratios {
        let mut least = [f64::INFINITY; 2];
        for _ in 0..ROUNDS {
            least[0] = least[0].min(milliseconds(&mut *job_run));
            least[1] = least[1].min(milliseconds(&mut *limit_run));
        }
        let [whole, part] = [least[0], least[1] * times];
        println!("| {job} | {whole:.2} | {limit} | {part:.2} | {:.2} |", whole / part);
    }
}

fn milliseconds(run: &mut dyn FnMut()) -> f64 {
    let start = Instant::now();
    run();
    start.elapsed().as_secs_f64() * 1e3
}
