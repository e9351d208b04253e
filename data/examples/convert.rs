//! Converts a scan: `convert INPUT OUTPUT [hounsfield]`, formats by content and by name.
//!
//! `hounsfield` says that the numbers of a NIfTI or `.npy` input are Hounsfield units, so DICOM becomes CT.

use recon_data::{DataError, Overwrite, Provenance, Unit, read, write};
use std::path::Path;

fn main() -> Result<(), DataError> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [input, output, rest @ ..] = arguments.as_slice() else {
        println!("usage: convert INPUT OUTPUT [hounsfield]");
        return Ok(());
    };
    let mut scan = read(Path::new(input))?;
    if rest.first().is_some_and(|unit| unit == "hounsfield") {
        scan.volume.unit = Unit::Hounsfield;
    }
    let provenance = Provenance {
        description: "Converted without change of values.".to_owned(),
        series_description: "converted".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..Provenance::default()
    };
    for file in write(Path::new(output), &scan.volume, &scan.source, &provenance, Overwrite::Refuse)? {
        println!("{}", file.display());
    }
    Ok(())
}
