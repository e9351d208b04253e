//! The file of images that were made up.

use super::SampleArgs;
use crate::commands::session::failure::Failure;
use anyhow::Result;
use ndarray::{Array2, ArrayD};
use recon_data::atomic::write_bytes;
use recon_data::{Overwrite, npy};
use recon_pipelines::ImageSize;
use recon_pipelines::report::preview::{Panels, Window, montage, png};
use std::path::Path;

/// What the extension of the output asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Values, `.npy`.
    Array,
    /// One picture of all images, `.png`.
    Picture,
}

impl Form {
    /// What a path asks for.
    ///
    /// # Errors
    /// When it is no extension that is known.
    pub(super) fn of(output: &Path) -> Result<Self, Failure> {
        match output.extension().and_then(|extension| extension.to_str()) {
            Some("npy") => Ok(Self::Array),
            Some("png") => Ok(Self::Picture),
            _ => Err(Failure::Usage(format!("--output {}: give a .npy or .png file", output.display()))),
        }
    }
}

/// Writes the values of all images, one behind the other.
///
/// # Errors
/// When the file cannot be written.
pub(super) fn write(
    args: &SampleArgs,
    form: Form,
    channels: usize,
    values: Vec<f32>,
    overwrite: Overwrite,
) -> Result<()> {
    let (count, ImageSize { rows, cols }) = (args.count, args.size);
    match form {
        Form::Array => {
            let shape =
                if channels == 1 { vec![count, rows, cols] } else { vec![count, channels, rows, cols] };
            npy::write_real(&args.output, ArrayD::from_shape_vec(shape, values)?.view(), overwrite)?;
        }
        Form::Picture => {
            let row = Array2::from_shape_fn((rows, count * cols), |(i, j)| {
                values[(j / cols * rows + i) * cols + j % cols]
            });
            let panels = Panels { truth: None, baseline: None, result: row.view() };
            let picture = montage(&panels, Window::percentiles(&row.view()));
            write_bytes(&args.output, &png(&picture)?, overwrite)?;
        }
    }
    Ok(())
}
