//! One command on several inputs.

use super::failure::{self, Failure};
use super::options::Common;
use anyhow::Result;
use std::path::{Path, PathBuf};

/// Runs `one` on every input; with several, `-o` names the folder that results go to, a failure is reported
/// and the others still run.
///
/// # Errors
/// The failure of a single input; [`Failure::Cases`] when some of several failed; an interruption at once.
pub fn each(
    inputs: &[PathBuf],
    common: &Common,
    one: impl Fn(&Path, Option<&Path>) -> Result<()>,
) -> Result<()> {
    if let [input] = inputs {
        return one(input, common.output.as_deref());
    }
    check_several(common)?;
    let mut failed = 0;
    for input in inputs {
        let output = common.output.as_ref().map(|folder| {
            let beside = recon_data::default_output(input, "recon");
            folder.join(beside.file_name().unwrap_or_default())
        });
        match one(input, output.as_deref()) {
            Err(error) if matches!(error.downcast_ref(), Some(Failure::Interrupted(_))) => return Err(error),
            Err(error) => {
                failed += 1;
                failure::print(&error);
            }
            Ok(()) => {}
        }
    }
    match failed {
        0 => Ok(()),
        _ => Err(Failure::Cases(format!("{failed} of {} inputs failed; see above", inputs.len())).into()),
    }
}

fn check_several(common: &Common) -> Result<(), Failure> {
    if let Some(folder) = common.output.as_ref().filter(|folder| !folder.is_dir()) {
        let message = format!("{}: is no folder; with several inputs --output names one", folder.display());
        return Err(Failure::Usage(message));
    }
    if common.preview.is_some() || common.json {
        return Err(Failure::Usage("--preview and --json: describe one result; give one input".into()));
    }
    Ok(())
}
