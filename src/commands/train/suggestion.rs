//! `recon train --suggest`: how to set up listed noise levels, and their sampler, for given images.

use super::args::TrainArgs;
use super::card::value_mapping;
use super::plan::usual_crops;
use crate::commands::model::read_arch;
use crate::commands::session::failure::Failure;
use anyhow::Result;
use recon::train::{Extent, Suggestion, suggest};

/// Prints the suggestion; trains nothing.
///
/// # Errors
/// When the data cannot be read or are too few.
pub(super) fn run(args: &TrainArgs) -> Result<()> {
    let side = side(args)?;
    let data = super::read(&args.data, args, value_mapping(args.modality.into()), &mut |_| {})?;
    let found = suggest(&data, side, args.suggestion.langevin_steps as usize).map_err(Failure::Input)?;
    let text = if args.suggestion.json { serde_json::to_string_pretty(&found)? } else { table(&found) };
    crate::commands::session::context::print(&text)
}

/// The side of shrunken slices, else of the first square crop, else of the described network, else the usual one.
fn side(args: &TrainArgs) -> Result<usize> {
    if let Some(side) = args.images.shrink {
        return Ok(side.into());
    }
    let square = |extent| if let Extent::Square(side) = extent { Some(side) } else { None };
    if let Some(side) = args.images.crops.iter().find_map(|crop| square(crop.extent)) {
        return Ok(side);
    }
    match &args.network.arch {
        Some(path) => {
            let size = read_arch(path)?.data.image_size;
            Ok(size.rows().max(size.cols()))
        }
        None => Ok(usual_crops(args.modality.into())[0].0),
    }
}

fn table(found: &Suggestion) -> String {
    let Suggestion { side, images, sigma_max, sigma_min, ratio, levels, steps_per_level, step_size, average } =
        found;
    let rows = [
        ("images", format!("{images} of {side} x {side} pixels")),
        ("sigma_max", format!("{sigma_max:.4}   largest distance between two images (technique 1)")),
        ("sigma_min", format!("{sigma_min}")),
        ("levels", format!("{levels}   geometric, ratio {ratio:.5} (technique 2)")),
        (
            "step size",
            format!("{step_size:.3e}   for {steps_per_level} Langevin steps at each level (technique 4)"),
        ),
        ("average", format!("{average}   of the weights (technique 5)")),
    ];
    rows.map(|(name, value)| format!("{name:<10} {value}")).join("\n")
}
