//! What all cases take, by a trial of each kind.

use super::kept_trials::{self, Kept, Kind};
use super::trial::{self, Found};
use anyhow::Result;
use recon::device::DeviceChoice;
use recon::methods::Registry;
use recon::settings::MethodSpec;
use recon_pipelines::batch::{BatchCase, options_digest};
use recon_pipelines::{CaseSpec, Input, Methods as _, raw_kspace};
use std::collections::BTreeMap;
use std::path::Path;

/// What a case takes.
#[derive(Clone, Debug)]
pub struct Taken {
    /// Time, seconds.
    pub seconds: f64,
    /// Score-network calls.
    pub network_calls: usize,
    /// Memory of a process with this case alone, bytes.
    pub peak_bytes: u64,
}

/// What each case takes, or what is wrong with it; and the trial that takes most memory.
pub struct Estimates {
    /// In the order of the cases.
    pub cases: Vec<Result<Taken, String>>,
    /// The largest of the trials.
    pub largest: Option<Found>,
    /// Trials that were made now.
    made: Vec<(Kind, Found)>,
}

/// How trials are made, and where those of other processes are found.
pub struct Trials<'a> {
    /// Makes methods.
    pub registry: &'a Registry,
    /// Cases at a time, and threads for each.
    pub shared: (usize, usize),
    /// Where networks run.
    pub device: DeviceChoice,
    /// Where trials are kept; none if they are to be made anew.
    pub kept: Option<Kept>,
}

impl Trials<'_> {
    fn kind(&self, case: &CaseSpec<MethodSpec>, size: [usize; 2]) -> Result<Kind> {
        let model = self.registry.model(&case.method, case.task.task())?;
        Ok(Kind {
            options: options_digest(case)?,
            model: model.map(|model| model.sha256),
            size,
            shared: self.shared,
            device: self.device.to_string(),
            processor: kept_trials::processor(),
            version: env!("CARGO_PKG_VERSION"),
        })
    }

    /// What a case of this kind takes: by a trial that was kept, or else by one that is then among those made.
    fn found(
        &self,
        case: &CaseSpec<MethodSpec>,
        size: [usize; 2],
        made: &mut Vec<(Kind, Found)>,
    ) -> Result<Found> {
        let kind = self.kind(case, size)?;
        if let Some(found) = self.kept.as_ref().and_then(|kept| kept.find(&kind)) {
            return Ok(found);
        }
        let found = trial::of(case, self.shared, self.device)?;
        made.push((kind, found));
        Ok(found)
    }
}

impl Estimates {
    /// Tries one case of each kind: of the same options and the same size of slices.
    ///
    /// # Errors
    /// When trials cannot be made at all.
    pub fn of(cases: &[BatchCase<MethodSpec>], trials: &Trials<'_>) -> Result<Self> {
        let mut tried: BTreeMap<(String, usize, usize), Result<Found, String>> = BTreeMap::new();
        let (mut all, mut made) = (Vec::new(), Vec::new());
        for case in cases {
            let [slices, rows, cols] = match shape(&case.case.input) {
                Ok(shape) => shape,
                Err(error) => {
                    all.push(Err(format!("{error:#}")));
                    continue;
                }
            };
            let kind = (options_digest(&case.case)?, rows, cols);
            let found = tried.entry(kind).or_insert_with(|| {
                let found = trials.found(&case.case, [rows, cols], &mut made);
                found.map_err(|error| format!("{error:#}"))
            });
            all.push(found.as_ref().map(|found| taken(found, slices)).map_err(Clone::clone));
        }
        let largest = tried.into_values().filter_map(Result::ok).max_by_key(|found| found.peak_bytes);
        Ok(Self { cases: all, largest, made })
    }

    /// Keeps the trials that were made; the work goes on if they cannot be kept.
    pub fn keep(&self, kept: &Kept) {
        self.made.iter().for_each(|(kind, found)| {
            let _ = kept.keep(kind, found);
        });
    }

    /// Time of all cases with so many at a time, seconds.
    pub fn seconds(&self, workers: usize) -> f64 {
        let each = || self.cases.iter().flatten().map(|taken| taken.seconds);
        (each().sum::<f64>() / workers as f64).max(each().fold(0.0, f64::max))
    }

    /// Memory with so many cases at a time, bytes.
    pub fn bytes(&self, workers: usize) -> u64 {
        self.largest.map_or(0, |found| found.peak_bytes + (workers as u64 - 1) * found.own_bytes())
    }
}

fn taken(found: &Found, slices: usize) -> Taken {
    let estimate = found.estimate;
    let share = slices as f64 / estimate.slices.max(1) as f64;
    Taken {
        seconds: estimate.opening * share + estimate.slice * slices as f64,
        network_calls: estimate.network_calls * slices,
        peak_bytes: found.peak_bytes,
    }
}

/// Axis lengths of what a case is about, by headers alone: slices that are asked for, and what a slice is.
fn shape(input: &Input) -> Result<[usize; 3]> {
    let array = |path: &Path| -> Result<[usize; 3]> {
        Ok(match recon_data::npy::shape(path)?[..] {
            [rows, cols] => [1, rows, cols],
            [.., slices, rows, cols] => [slices, rows, cols],
            _ => [1, 1, 1],
        })
    };
    let [slices, rows, cols] = match input {
        Input::Image(image) => recon_data::shape(&image.path, image.series.as_deref())?,
        Input::Sinogram(_) | Input::Kspace(_) => array(input.path())?,
        Input::Raw(raw) => {
            let [slices, _, rows, cols] = raw_kspace(&raw.path)?.shape();
            [slices, rows, cols]
        }
    };
    let asked = input.slices().and_then(|range| range.within(slices)).map_or(slices, |range| range.len());
    Ok([asked, rows, cols])
}
