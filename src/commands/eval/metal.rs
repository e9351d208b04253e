//! CT with metal that is put into clean images, and removed by the code that `recon mar` runs.

use super::measure::{self, Ct, Modality, Outcome, Single};
use super::setting::MarSetting;
use crate::commands::context::Context;
use crate::commands::failure::Failure;
use crate::commands::job::Method;
use crate::commands::learned::{Plan, Task};
use crate::commands::mar::MarMethod;
use crate::commands::options::Family;
use crate::commands::scale::Values;
use crate::commands::scanner::{Body, ViewOptions};
use crate::commands::values::FilterName;
use anyhow::Result;
use ndarray::ArrayView2;
use recon_data::{Scan, Unit};
use recon_operators::Radon;
use recon_pipelines::mar;
use recon_pipelines::preview::Window;
use recon_pipelines::thesis::Levels;
use std::path::Path;

/// From here on, in Hounsfield units, a voxel is tissue that metal may be put into: fat, muscle, organs and bone, but no
/// lung, no air and nothing of a padded table.
const TISSUE: f32 = -200.0;

/// Parallel-beam CT of images in Hounsfield units with titanium in them.
pub(in crate::commands) struct Mar;

impl Modality for Mar {
    type Transform = Radon;
    type Setting = MarSetting;
    type Method = MarMethod;
    const TASK: Task = Task::Mar;

    fn family(method: MarMethod) -> Family {
        method.family()
    }

    fn build(method: MarMethod, settings: &Plan) -> Result<Method<Radon>> {
        method.build(settings, Unit::Hounsfield)
    }

    fn window(_truth: &ArrayView2<'_, f32>) -> Window {
        Window::SOFT_TISSUE
    }

    fn prepare(scan: &mut Scan, path: &Path) -> Result<()> {
        measure::hounsfield(scan, path)
    }

    fn levels(scan: &Scan) -> Levels {
        Ct::levels(scan)
    }

    fn solve(
        single: &Single,
        setting: &MarSetting,
        (kind, method): (MarMethod, &Method<Radon>),
        seed: u64,
        context: &Context,
    ) -> Result<Outcome> {
        let path = &single.path;
        let body = Body::new(&single.scan, None, path, context);
        let side = single.scan.volume.geometry.spacing_mm[2];
        let view = ViewOptions { detectors: None };
        let radon = body.scanner(setting.views, side as f32, &view, FilterName::Ramp)?;
        let tissue = body.image.voxels.mapv(|hounsfield| hounsfield >= TISSUE);
        let metal = mar::implanted(&body.attenuation, &tissue, &setting.implants(), side, (seed, 0));
        if !metal.iter().any(|&is_metal| is_metal) {
            let message = "a slice shows no tissue to put metal into; leave the scan out";
            return Err(Failure::Input(format!("{}: {message}", path.display())).into());
        }
        let case = match kind {
            MarMethod::Fbp => mar::uncorrected(&body.attenuation, &metal, &radon, (seed, 0)),
            _ => mar::from_image(&body.attenuation, &metal, &radon, setting.margin, (seed, 0)),
        };
        measure::judge(&case, method, (&body.image, Some(&metal)), Values::Hounsfield, context)
    }
}
