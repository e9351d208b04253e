//! A case: the slices of one scan, reconstructed one after another.

use crate::{Map, Progress, Reconstruct, SliceSeed, Typicality};
use anyhow::{Result, anyhow};
use ndarray::{Array2, Array3, ArrayView2, Axis};
use recon_operators::solvers::null_space_part;
use recon_operators::{Field, Problem, Transform};
use serde::Serialize;
use std::time::Instant;

/// What is to be done about one slice.
pub enum Slice<T: Transform> {
    /// Reconstruct it from what was measured.
    Measured(Problem<T>),
    /// There is nothing to reconstruct: the image is known (a slice without metal).
    Known(Array2<f32>),
}

/// The slices of one scan and the random numbers that belong to them.
///
/// Slices are made when their turn comes, so that a long scan never holds all its measurements. Methods
/// thread inside a slice; slices run one after another, which keeps memory and results independent of
/// the number of threads.
pub struct Case<'a, T: Transform> {
    /// Position of each slice in micrometres, see [`SliceSeed::slice`]; its length is the slice count.
    pub positions_um: Vec<i64>,
    /// What was measured of slice `k`.
    pub slice: Box<dyn Fn(usize) -> Result<Slice<T>> + 'a>,
    /// What the user asked for with `--seed`.
    pub seed: u64,
    /// Which case of a batch.
    pub number: u64,
    /// Whether to find the part of every result that the measurement does not see, [`Map::NullSpace`].
    pub null_space: bool,
}

/// Hears about slices as well as about the steps inside one.
pub trait Observer: Progress {
    /// `done` of `slices` slices are finished.
    fn slice(&self, done: usize, slices: usize);
}

/// What one slice took, for the sidecar.
#[derive(Clone, Debug, Serialize)]
pub struct SliceRecord {
    /// Number of score-network calls.
    pub network_calls: usize,
    /// Wall time of the method, seconds.
    pub seconds: f64,
    /// `‖x₀‖/‖x‖` of the part x₀ of the result x that the measurement does not see, where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub null_space_share: Option<f64>,
    /// How the model took the result, where it was asked.
    #[serde(flatten)]
    pub typicality: Option<Typicality>,
    /// Relative data residual `‖Λ(T x − y)‖ / ‖Λ y‖` of the result; none for a slice that was known.
    pub data_residual: Option<f64>,
}

/// The images of a case; the first axis is shorter than the case when it was interrupted.
#[derive(Clone, Debug)]
pub struct Reconstructed {
    /// What the method found, axes (slice, row, col).
    pub images: Array3<f32>,
    /// What is known of their voxels, each map once.
    pub maps: Vec<(Map, Array3<f32>)>,
    /// What each baseline found from the same data, in the order they were given.
    pub baselines: Vec<Array3<f32>>,
    /// What each finished slice took.
    pub records: Vec<SliceRecord>,
    /// Whether the user stopped it before the last slice.
    pub interrupted: bool,
}

/// The error of a method that stopped because it was asked to.
pub fn cancelled() -> anyhow::Error {
    anyhow!("interrupted")
}

/// The maps of one slice.
type Maps = Vec<(Map, Array2<f32>)>;

#[derive(Default)]
struct Stacks {
    images: Vec<Array2<f32>>,
    /// Those of each slice that was reconstructed; none for one that was known.
    maps: Vec<Option<Maps>>,
    baselines: Vec<Vec<Array2<f32>>>,
    records: Vec<SliceRecord>,
}

impl<T: Transform<Image = Array2<f32>>> Case<'_, T> {
    /// Runs `method`, and the `baselines` on the same data, over the slices until the last one or until
    /// `observer` asks to stop; finished slices are kept then.
    ///
    /// # Errors
    /// When a measurement cannot be made or the method fails for a reason other than being stopped.
    pub fn run(
        &self,
        method: &dyn Reconstruct<T>,
        baselines: &[&dyn Reconstruct<T>],
        observer: &dyn Observer,
    ) -> Result<Reconstructed> {
        let slices = self.positions_um.len();
        let mut stacks = Stacks { baselines: vec![Vec::new(); baselines.len()], ..Stacks::default() };
        for (k, &position) in self.positions_um.iter().enumerate() {
            if observer.cancelled() {
                break;
            }
            let seed = SliceSeed { seed: self.seed, case: self.number, slice: position };
            match self.solve(k, method, baselines, (seed, observer), &mut stacks) {
                Ok(()) => observer.slice(k + 1, slices),
                Err(_) if observer.cancelled() => break,
                Err(error) => return Err(error),
            }
        }
        stacks.finish(slices)
    }

    fn solve(
        &self,
        k: usize,
        method: &dyn Reconstruct<T>,
        baselines: &[&dyn Reconstruct<T>],
        (seed, observer): (SliceSeed, &dyn Observer),
        stacks: &mut Stacks,
    ) -> Result<()> {
        let problem = match (self.slice)(k)? {
            Slice::Measured(problem) => problem,
            Slice::Known(image) => {
                stacks.known(image);
                return Ok(());
            }
        };
        let begin = Instant::now();
        let mut estimate = method.reconstruct(&problem, seed, observer)?;
        let mut record = SliceRecord {
            network_calls: estimate.network_calls,
            seconds: begin.elapsed().as_secs_f64(),
            null_space_share: None,
            typicality: estimate.typicality,
            data_residual: Some(problem.residual(&estimate.image)),
        };
        if self.null_space {
            let unseen = null_space_part(&problem, &estimate.image, NULL_SPACE_ITERATIONS);
            record.null_space_share = Some(unseen.norm() / estimate.image.norm().max(f64::MIN_POSITIVE));
            estimate.maps.push((Map::NullSpace, unseen));
        }
        let others =
            baselines.iter().map(|baseline| baseline.reconstruct(&problem, seed, &Unheard(observer)));
        for (stack, image) in stacks.baselines.iter_mut().zip(others.collect::<Result<Vec<_>>>()?) {
            stack.push(image.image);
        }
        stacks.images.push(estimate.image);
        stacks.maps.push(Some(estimate.maps));
        stacks.records.push(record);
        Ok(())
    }
}

/// Conjugate-gradient steps for the part of an image that a measurement sees.
const NULL_SPACE_ITERATIONS: usize = 50;

/// Passes the wish to stop on, but not the steps: those of a baseline are not the method's.
struct Unheard<'a>(&'a dyn Observer);

impl Progress for Unheard<'_> {
    fn step(&self, _done: usize, _steps: usize) {}
    fn cancelled(&self) -> bool {
        self.0.cancelled()
    }
}

impl Stacks {
    fn known(&mut self, image: Array2<f32>) {
        for stack in &mut self.baselines {
            stack.push(image.clone());
        }
        self.maps.push(None);
        self.images.push(image);
        self.records.push(SliceRecord {
            network_calls: 0,
            seconds: 0.0,
            null_space_share: None,
            typicality: None,
            data_residual: None,
        });
    }

    fn finish(self, slices: usize) -> Result<Reconstructed> {
        Ok(Reconstructed {
            interrupted: self.images.len() < slices,
            images: stack(&self.images)?,
            maps: self.maps()?,
            baselines: self.baselines.iter().map(|images| stack(images)).collect::<Result<_>>()?,
            records: self.records,
        })
    }

    /// The maps that every reconstructed slice has; of a known slice nothing is uncertain.
    fn maps(&self) -> Result<Vec<(Map, Array3<f32>)>> {
        let kinds = self.maps.iter().flatten().next().into_iter().flatten().map(|(kind, _)| *kind);
        let of = |kind: Map, (image, maps): (&Array2<f32>, &Option<Maps>)| match (maps, kind) {
            (Some(maps), _) => maps.iter().find(|(found, _)| *found == kind).map(|(_, map)| map.clone()),
            (None, Map::Low | Map::High) => Some(image.clone()),
            (None, Map::Std | Map::NullSpace) => Some(Array2::zeros(image.raw_dim())),
        };
        let slices = |kind: Map| self.images.iter().zip(&self.maps).map(|slice| of(kind, slice)).collect();
        let stacked = kinds.filter_map(|kind| {
            let slices: Option<Vec<Array2<f32>>> = slices(kind);
            slices.map(|slices| Ok((kind, stack(&slices)?)))
        });
        stacked.collect()
    }
}

fn stack(images: &[Array2<f32>]) -> Result<Array3<f32>> {
    let views: Vec<ArrayView2<'_, f32>> = images.iter().map(|image| image.view()).collect();
    if views.is_empty() {
        return Ok(Array3::zeros((0, 0, 0)));
    }
    Ok(ndarray::stack(Axis(0), &views)?)
}

impl Reconstructed {
    /// Score-network calls of all slices.
    pub fn network_calls(&self) -> usize {
        self.records.iter().map(|record| record.network_calls).sum()
    }

    /// The root mean square of the slices' relative data residuals; none when every slice was known.
    pub fn data_residual(&self) -> Option<f64> {
        let squares: Vec<f64> =
            self.records.iter().filter_map(|record| record.data_residual).map(|r| r * r).collect();
        let mean = squares.iter().sum::<f64>() / squares.len() as f64;
        (!squares.is_empty()).then(|| mean.sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Direct, Estimate, Silent};
    use ndarray::array;
    use num_complex::Complex32;
    use recon_operators::{LinearOperator, Mask, PhasedFourier};
    use std::sync::atomic::{AtomicUsize, Ordering};

    impl Observer for Silent {
        fn slice(&self, _done: usize, _slices: usize) {}
    }

    /// Asks to stop after so many slices.
    struct Impatient(AtomicUsize);

    impl Progress for Impatient {
        fn step(&self, _done: usize, _steps: usize) {}
        fn cancelled(&self) -> bool {
            self.0.load(Ordering::Relaxed) == 0
        }
    }

    impl Observer for Impatient {
        fn slice(&self, _done: usize, _slices: usize) {
            self.0.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn image(k: usize) -> Array2<f32> {
        array![[k as f32, 1.0], [2.0, 3.0]]
    }

    fn case(known: Option<usize>) -> Case<'static, PhasedFourier> {
        let slice = move |k: usize| {
            if known == Some(k) {
                return Ok(Slice::Known(image(k)));
            }
            let transform = PhasedFourier::new(2, 2, None);
            let measured = transform.forward(&image(k));
            Ok(Slice::Measured(Problem::new(transform, Mask::full(4), measured)))
        };
        let positions_um = vec![0, 1000, 2000];
        Case { positions_um, slice: Box::new(slice), seed: 0, number: 0, null_space: false }
    }

    #[test]
    fn slices_come_out_in_order_with_their_residuals() {
        let done = case(None).run(&Direct, &[&Direct], &Silent).expect("runs");
        assert_eq!(done.images.shape(), [3, 2, 2]);
        assert!((done.images[[2, 0, 0]] - 2.0).abs() < 1e-6);
        assert_eq!(done.baselines, std::slice::from_ref(&done.images));
        assert!(done.data_residual().is_some_and(|residual| residual < 1e-6));
        assert!(!done.interrupted && done.maps.is_empty());
    }

    #[test]
    fn what_was_not_measured_is_found_in_the_null_space() {
        let slice = |k: usize| {
            let transform = PhasedFourier::new(2, 2, None);
            // The centre alone: the mean is seen, nothing else.
            let mask = Mask::new(vec![false, false, false, true]);
            let measured = mask.select(transform.forward(&image(k)));
            Ok(Slice::Measured(Problem::new(transform, mask, measured)))
        };
        let case =
            Case { positions_um: vec![0], slice: Box::new(slice), seed: 0, number: 0, null_space: true };
        struct Found;
        impl Reconstruct<PhasedFourier> for Found {
            fn reconstruct(
                &self,
                _problem: &Problem<PhasedFourier>,
                _seed: SliceSeed,
                _progress: &dyn Progress,
            ) -> Result<Estimate<Array2<f32>>> {
                Ok(Estimate::plain(array![[3.0, 1.0], [2.0, 2.0]], 0))
            }
        }
        let done = case.run(&Found, &[], &Silent).expect("runs");
        let [(Map::NullSpace, unseen)] = &done.maps[..] else { panic!("one map") };
        let expected = array![[[1.0, -1.0], [0.0, 0.0]]];
        assert!((unseen - &expected).iter().all(|d: &f32| d.abs() < 1e-5), "{unseen}");
        let share = done.records[0].null_space_share.expect("asked for");
        assert!((share - (2.0_f64 / 18.0).sqrt()).abs() < 1e-5, "{share}");
    }

    #[test]
    fn stopping_keeps_what_is_finished() {
        let done = case(None).run(&Direct, &[], &Impatient(2.into())).expect("runs");
        assert!(done.interrupted);
        assert_eq!((done.images.len_of(Axis(0)), done.records.len()), (2, 2));
    }

    #[test]
    fn a_known_slice_is_left_alone() {
        let done = case(Some(1)).run(&Zero, &[], &Silent).expect("runs");
        assert_eq!(done.images.index_axis(Axis(0), 1), image(1));
        assert_eq!(done.images[[0, 1, 1]], 0.0);
        assert_eq!(done.network_calls(), 14);
        let [(Map::Std, std)] = &done.maps[..] else { panic!("one map") };
        assert!(std[[0, 0, 0]] == 1.0 && std[[1, 0, 0]] == 0.0);
    }

    /// Finds nothing, with great uncertainty.
    struct Zero;

    impl Reconstruct<PhasedFourier> for Zero {
        fn reconstruct(
            &self,
            problem: &Problem<PhasedFourier>,
            _seed: SliceSeed,
            _progress: &dyn Progress,
        ) -> Result<Estimate<Array2<f32>>> {
            assert_eq!(problem.measured.map(|_: &Complex32| ()).dim(), (2, 2));
            let maps = vec![(Map::Std, Array2::ones((2, 2)))];
            Ok(Estimate { maps, ..Estimate::plain(Array2::zeros((2, 2)), 7) })
        }
    }
}
