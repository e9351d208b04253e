//! CT with metal that is put into clean images, and removed by the code that `recon mar` runs.

use super::measure::{self, Ct, Modality, Outcome, Single, Tried};
use super::setting::MarSetting;
use crate::commands::session::context::Context;
use anyhow::Result;
use ndarray::{Array2, ArrayView2, Axis};
use recon::settings::MethodSpec;
use recon_data::Unit;
use recon_operators::{Problem, Radon};
use recon_pipelines::judge::thesis::Levels;
use recon_pipelines::report::preview::Window;
use recon_pipelines::task::mar;
use recon_pipelines::{
    Body, CaseSeed, Correction, FilterName, Frame, ImageMar, Images, Metal, Refused, Slice, SliceSeed, Study,
    Task,
};
use std::path::Path;

/// From here on, in Hounsfield units, a voxel is tissue that metal may be put into: fat, muscle, organs and bone, but no
/// lung, no air and nothing of a padded table.
const TISSUE: f32 = -200.0;

/// Parallel-beam CT of images in Hounsfield units with titanium in them.
pub(in crate::commands) struct Mar;

impl Modality for Mar {
    type Transform = Radon;
    type Setting = MarSetting;
    const TASK: Task = Task::Mar;
    const UNIT: Unit = Unit::Hounsfield;

    fn window(_truth: &ArrayView2<'_, f32>) -> Window {
        Window::SOFT_TISSUE
    }

    fn prepare(images: Images, path: &Path) -> Result<Images> {
        measure::hounsfield(images, path)
    }

    fn levels(images: &Images) -> Result<Levels> {
        Ct::levels(images)
    }

    fn solve(
        single: &Single,
        setting: &MarSetting,
        tried: &Tried<'_, Radon>,
        seed: u64,
        context: &Context,
    ) -> Result<Outcome> {
        let body = Body::new(single.again()?, None);
        let side = single.images.geometry().spacing_mm[2];
        let radon = body.scanner(setting.views, None, side as f32, FilterName::Ramp)?;
        let tissue = body.images().slice(0)?.mapv(|hounsfield| hounsfield >= TISSUE);
        // The places of a protocol's metal must not depend on the file that a slice comes from.
        let place = CaseSeed { seed, case: 0 }.slice(body.images().position_um(0));
        let metal = mar::implanted(&tissue, &setting.implants(), side, place);
        if !metal.iter().any(|&is_metal| is_metal) {
            let message = "a slice shows no tissue to put metal into; leave the scan out";
            return Err(Refused::Input(format!("{}: {message}", single.path.display())).into());
        }
        let attenuation = body.attenuation(0)?;
        let at = Metal::At(metal.clone().insert_axis(Axis(0)));
        let correction = Correction::Margin(setting.margin);
        let study = ImageMar::of(body, at, radon.clone(), correction, single.seed(seed)).with_truth();
        if matches!(tried.spec, MethodSpec::Fbp) {
            let problem = mar::uncorrected(&attenuation, &metal, &radon, place)?;
            return measure::judge(&Uncorrected { study, problem }, tried.method, Some(&metal), context);
        }
        measure::judge(&study, tried.method, Some(&metal), context)
    }
}

/// A slice whose metal was turned into titanium, seen by all rays, which are all trusted.
struct Uncorrected {
    study: ImageMar,
    problem: Problem<Radon>,
}

impl Study for Uncorrected {
    type Transform = Radon;

    fn frame(&self) -> &Frame {
        self.study.frame()
    }
    fn seed(&self, k: usize) -> SliceSeed {
        self.study.seed(k)
    }
    fn slice(&self, _k: usize) -> Result<Slice<Radon>> {
        Ok(Slice::Measured(self.problem.clone()))
    }
    fn image(&self, k: usize, image: Array2<f32>) -> Result<Array2<f32>> {
        self.study.image(k, image)
    }
    fn difference(&self, difference: Array2<f32>) -> Array2<f32> {
        self.study.difference(difference)
    }
    fn truth(&self, k: usize) -> Result<Option<Array2<f32>>> {
        self.study.truth(k)
    }
    fn knows_truth(&self) -> bool {
        true
    }
}
