//! The input of a case, open: what is done with it is the same whatever is measured.

use super::{CaseSpec, Method, Methods, Outputs};
use crate::{
    Acquisition, CaseSeed, Correction, ImageCt, ImageDenoise, ImageMar, ImageMri, Input, KspaceMri, RawMri,
    Refused, Remarks, SinogramCt, Study, TaskSpec,
};
use anyhow::Result;

/// Does something with a study, whatever is measured.
pub(super) trait Opened {
    /// What comes of it.
    type Output;

    /// Does it, knowing what a reader of the result should know.
    fn on<S: Study>(self, study: S, remarks: Remarks) -> Result<Self::Output>
    where
        S::Transform: Acquisition;
}

/// Opens the input of a case.
///
/// # Errors
/// When it cannot be used, and whatever `visitor` ends with.
pub(super) fn opened<M, V: Opened>(
    (case, seed): (&CaseSpec<M>, CaseSeed),
    methods: &impl Methods<M>,
    visitor: V,
) -> Result<V::Output> {
    macro_rules! on {
        ($opened:expr) => {{
            let (study, remarks) = $opened?;
            visitor.on(study, remarks)
        }};
    }
    match (&case.input, &case.task) {
        (Input::Image(input), TaskSpec::Ct(spec)) => on!(ImageCt::open(input, spec, seed)),
        (Input::Sinogram(input), TaskSpec::Ct(spec)) => on!(SinogramCt::open(input, spec, seed)),
        (Input::Image(input), TaskSpec::Mri(spec)) => on!(ImageMri::open(input, spec, seed)),
        (Input::Kspace(input), TaskSpec::Mri(spec)) => on!(KspaceMri::open(input, spec, seed)),
        (Input::Raw(input), TaskSpec::Mri(spec)) => on!(RawMri::open(input, spec, seed)),
        (Input::Image(input), TaskSpec::Denoise(spec)) => on!(ImageDenoise::open(input, spec, seed)),
        (Input::Image(input), TaskSpec::Mar(spec)) => {
            let trusts = methods.trusts_metal(&case.method);
            let correction = if trusts { Correction::None } else { Correction::Margin(spec.metal_margin) };
            on!(ImageMar::open(input, spec, correction, seed))
        }
        _ => Err(Refused::Usage("the input is not one of this task".to_owned()).into()),
    }
}

/// The baselines worth running: all beside a reference, the strongest for a picture, else none.
pub(super) fn comparable<'m, S: Study>(
    outputs: &Outputs,
    study: &S,
    baselines: &'m [Method<S::Transform>],
) -> Vec<&'m Method<S::Transform>> {
    let first = match (study.knows_truth(), &outputs.preview) {
        (true, _) => 0,
        (false, Some(_)) => baselines.len().saturating_sub(1),
        (false, None) => baselines.len(),
    };
    baselines[first..].iter().collect()
}
