//! Counts and sums over the cases of a batch.

use super::{CaseStatus, PageCase};

/// What the cases of a batch come to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Summary {
    /// How many there are.
    pub cases: usize,
    /// How many are finished.
    pub done: usize,
    /// How many failed.
    pub failed: usize,
    /// How many are being reconstructed.
    pub running: usize,
    /// How many wait.
    pub pending: usize,
    /// The wall times of all cases, seconds: more than the batch took when cases ran at the same time.
    pub seconds: f64,
    /// Network calls.
    pub network_calls: u64,
}

impl Summary {
    /// Of these cases.
    pub fn of(cases: &[PageCase]) -> Self {
        let count = |status| cases.iter().filter(|case| case.status == status).count();
        Self {
            cases: cases.len(),
            done: count(CaseStatus::Done),
            failed: count(CaseStatus::Failed),
            running: count(CaseStatus::Running),
            pending: count(CaseStatus::Pending),
            seconds: times(cases).sum(),
            network_calls: cases.iter().filter_map(|case| case.network_calls).fold(0, u64::saturating_add),
        }
    }

    /// How many cases have this status.
    pub fn count(&self, status: CaseStatus) -> usize {
        match status {
            CaseStatus::Done => self.done,
            CaseStatus::Failed => self.failed,
            CaseStatus::Running => self.running,
            CaseStatus::Pending => self.pending,
        }
    }
}

/// The wall times that are known.
pub(in crate::report) fn times(cases: &[PageCase]) -> impl Iterator<Item = f64> {
    cases.iter().filter_map(|case| case.seconds).filter(|seconds| seconds.is_finite() && *seconds >= 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_are_counted_by_status_and_times_that_are_none_are_left_out() {
        let case =
            |status, seconds| PageCase { status, seconds, network_calls: Some(3), ..PageCase::default() };
        let cases = [
            case(CaseStatus::Done, Some(1.5)),
            case(CaseStatus::Done, Some(f64::NAN)),
            case(CaseStatus::Failed, Some(-1.0)),
            case(CaseStatus::Pending, None),
        ];
        let summary = Summary::of(&cases);
        assert_eq!(CaseStatus::ALL.map(|status| summary.count(status)), [2, 1, 0, 1]);
        assert_eq!((summary.cases, summary.seconds, summary.network_calls), (4, 1.5, 12));
    }
}
