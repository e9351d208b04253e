//! The family of Cartesian measurements that a conditional prior was trained for.

use super::Spectrum;
use recon_operators::{LinearOperator, PhasedFourier, Problem, mirror_line};
use serde::{Deserialize, Serialize};

/// Whole lines of k-space that are left out along one axis, of real images, and what the training data say about them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CartesianFamily {
    /// Along which axis lines are left out.
    pub axis: LineAxis,
    /// The images.
    pub images: ImageKind,
    /// The least and the largest acceleration: lines by measured lines.
    pub accelerations: [f64; 2],
    /// The least and the largest share of all lines in the fully sampled centre.
    pub center_fractions: [f64; 2],
    /// The largest share of the measured lines in the fully sampled centre.
    pub center_share: f64,
    /// How the other lines lie.
    pub patterns: Vec<LinePattern>,
    /// The image of the first rung.
    pub start: VariationStart,
    /// How much of the energy of lines that nobody measured is usually wrong in the start.
    pub start_share: f64,
    /// The same of lines that an estimate filled in.
    pub wrong_share: f64,
    /// The energy of lines.
    pub spectrum: Spectrum,
}

/// The axis along which lines are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LineAxis {
    /// Whole columns are measured or not.
    Columns,
}

/// What the values of images are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ImageKind {
    /// Real numbers, so that a line of k-space tells its mirror image.
    Real,
}

/// How measured lines lie outside of the centre.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LinePattern {
    /// At equal distances.
    Equispaced,
    /// Drawn evenly.
    Random,
    /// Drawn with a Gaussian density around the centre.
    Gaussian,
}

/// The image of least total variation that explains the measurement, and how far it is sought.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VariationStart {
    /// Iterations of the primal-dual method.
    pub iterations: usize,
    /// Its step, in model units.
    pub step: f64,
}

/// More iterations than any start takes.
const MAX_ITERATIONS: usize = 10_000;
/// How far an acceleration may lie outside of the family, as a share: patterns meet theirs on average only.
const SLACK: f64 = 0.1;
/// In the centre of its lines, an image of the family leaves no more of the measurement unexplained than rounding does;
/// this is far above, and far below what a real image cannot explain.
const LARGEST_MISFIT: f64 = 0.01;
/// Lines in the smallest centre.
const LEAST_CENTER: f64 = 2.0;
/// The smallest share of [`CartesianFamily::center_share`] that a centre has which the range of fractions would make larger.
const LEAST_OF_SHARE: f64 = 0.8;

impl CartesianFamily {
    /// What is wrong with its numbers, if anything.
    pub fn problem(&self) -> Option<String> {
        let rising = |name: &str, [low, high]: [f64; 2], least: f64| {
            let fits = low.is_finite() && high.is_finite() && least <= low && low <= high;
            (!fits).then(|| {
                format!("family.{name} = [{low}, {high}] must be two numbers of at least {least} in order")
            })
        };
        let share = |name: &str, value: f64| {
            let fits = value > 0.0 && value <= 1.0;
            (!fits).then(|| format!("family.{name} = {value} must lie in (0, 1]"))
        };
        let VariationStart { iterations, step } = self.start;
        rising("accelerations", self.accelerations, 1.0)
            .or_else(|| rising("center_fractions", self.center_fractions, 0.0))
            .or_else(|| share("center_share", self.center_share))
            .or_else(|| share("start_share", self.start_share))
            .or_else(|| share("wrong_share", self.wrong_share))
            .or_else(|| self.patterns.is_empty().then(|| "family.patterns names none".to_owned()))
            .or_else(|| {
                (iterations > MAX_ITERATIONS)
                    .then(|| format!("family.start.iterations = {iterations} is more than {MAX_ITERATIONS}"))
            })
            .or_else(|| {
                (!(step.is_finite() && step > 0.0))
                    .then(|| format!("family.start.step = {step} must be positive and finite"))
            })
            .or_else(|| self.spectrum.problem().map(|problem| format!("family.{problem}")))
    }

    /// `σₑ² = a E(M_t) + b (E(M_T) − E(M_t))` with the energies `E` of [`Spectrum::missing`], of an image whose lines in
    /// the mask `present` (`M_t`) outside of the `measured` ones (`M_T`) are from an estimate, and the others from the
    /// start.
    pub fn sigma(&self, measured: &[bool], present: &[bool]) -> f64 {
        let (all, rest) = (self.spectrum.missing(measured), self.spectrum.missing(present));
        (self.start_share * rest + self.wrong_share * (all - rest)).sqrt()
    }

    /// The measured lines of a problem of the family, one flag a column.
    ///
    /// # Errors
    /// Says in words why it is not one.
    pub fn lines(&self, problem: &Problem<PhasedFourier>) -> Result<Vec<bool>, String> {
        if problem.transform.phase().is_some() {
            return Err("the image of measured k-space has a phase, and the prior knows real ones".to_owned());
        }
        let shape = problem.image_shape();
        let lines = whole_columns(problem.mask.kept(), (shape[0], shape[1]))?;
        self.check(&lines)?;
        let misfit = asymmetry(problem, &lines);
        if problem.noise == recon_operators::DataNoise::None && misfit > LARGEST_MISFIT {
            return Err(format!(
                "no real image explains the measurement (a line and its mirror image differ by {:.0} %)",
                100.0 * misfit
            ));
        }
        Ok(lines)
    }

    /// Refuses lines that the family does not have.
    fn check(&self, lines: &[bool]) -> Result<(), String> {
        let (count, kept) = (lines.len(), lines.iter().filter(|&&kept| kept).count());
        let acceleration = count as f64 / kept.max(1) as f64;
        let [low, high] = self.accelerations;
        if kept == 0 || acceleration < low * (1.0 - SLACK) || acceleration > high * (1.0 + SLACK) {
            return Err(format!("{acceleration:.1}x is outside of the {low}x to {high}x of the prior"));
        }
        let run = center_run(lines);
        let is_regular = has_equal_distances(lines, &run);
        let named = if is_regular { "at equal" } else { "at unequal" };
        let known = |pattern: &LinePattern| (*pattern == LinePattern::Equispaced) == is_regular;
        if !self.patterns.iter().any(known) {
            return Err(format!("its lines lie {named} distances, which the prior does not know"));
        }
        let most = self.center_share / acceleration;
        let [least, largest] = self.center_fractions;
        let (least, largest) = (least.min(LEAST_OF_SHARE * most), largest.min(most));
        // Lines beside the centre lengthen the run, drawn ones by any number; a line is lost or won by rounding.
        let (run, lines_of) = (run.len() as f64, |fraction: f64| fraction * count as f64);
        if run + 1.0 < lines_of(least).max(LEAST_CENTER) || (is_regular && run - 3.0 > lines_of(largest)) {
            return Err(format!(
                "a centre of {:.1} % of all lines is outside of the {:.1} % to {:.1} % of the prior at {acceleration:.1}x",
                100.0 * run / count as f64,
                100.0 * least,
                100.0 * largest
            ));
        }
        Ok(())
    }
}

/// The flags of the columns of a mask that keeps whole columns.
fn whole_columns(kept: &[bool], (rows, cols): (usize, usize)) -> Result<Vec<bool>, String> {
    let lines = kept.get(..cols).unwrap_or_default();
    if rows > 0 && cols > 0 && kept.chunks_exact(cols).all(|row| row == lines) {
        return Ok(lines.to_vec());
    }
    let whole_rows = cols > 0 && kept.chunks_exact(cols).all(|row| row.iter().all(|&kept| kept == row[0]));
    Err(if whole_rows {
        "lines are left out along rows, and the prior knows columns".to_owned()
    } else {
        "single points of k-space are measured, and the prior knows whole lines".to_owned()
    })
}

/// The lines from the middle one outwards without a gap.
fn center_run(lines: &[bool]) -> std::ops::Range<usize> {
    let middle = lines.len() / 2;
    if lines.get(middle) != Some(&true) {
        return middle..middle;
    }
    let below = lines[..middle].iter().rev().take_while(|&&kept| kept).count();
    let above = lines[middle..].iter().take_while(|&&kept| kept).count();
    middle - below..middle + above
}

/// Whether the lines outside of the centre are those of a grid of equal distances, each rounded to a line; beside the
/// centre they may be hidden in it.
fn has_equal_distances(lines: &[bool], center: &std::ops::Range<usize>) -> bool {
    let outside: Vec<usize> =
        (0..lines.len()).filter(|line| lines[*line] && !center.contains(line)).collect();
    let gaps = outside
        .windows(2)
        .filter(|pair| center.is_empty() || pair[1] < center.start || pair[0] >= center.end);
    let gaps: Vec<usize> = gaps.map(|pair| pair[1] - pair[0]).collect();
    let (Some(&first), Some(&last), Some(&least), Some(&largest)) =
        (outside.first(), outside.last(), gaps.iter().min(), gaps.iter().max())
    else {
        return true;
    };
    if largest > least + 1 {
        return false;
    }
    let usual = gaps.iter().sum::<usize>() as f64 / gaps.len() as f64;
    let steps = ((last - first) as f64 / usual).round().max(1.0);
    let distance = (last - first) as f64 / steps;
    outside.iter().all(|&line| {
        let place = (line - first) as f64 / distance;
        (place - place.round()).abs() * distance <= 1.0
    })
}

/// `‖Λ(F a − y)‖/‖Λ y‖` for the real image a that comes nearest to the data: 0 where a line and its mirror image tell the
/// same.
fn asymmetry(problem: &Problem<PhasedFourier>, lines: &[bool]) -> f64 {
    let shape = problem.image_shape();
    let (rows, cols) = (shape[0], shape[1]);
    let (mut difference, mut size) = (0.0, 0.0);
    for ((row, col), value) in problem.measured.indexed_iter().filter(|((_, col), _)| lines[*col]) {
        size += f64::from(value.norm_sqr());
        if lines[mirror_line(col, cols)] {
            let other = problem.measured[[mirror_line(row, rows), mirror_line(col, cols)]].conj();
            difference += f64::from((value - other).norm_sqr()) / 4.0;
        }
    }
    if size > 0.0 { (difference / size).sqrt() } else { 0.0 }
}
