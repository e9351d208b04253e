//! What reads untrusted bytes, a function a format. They may refuse, in an error of one line; nothing else may happen.

use recon::models::{Checkpoint, ModelSource, read_card};
use recon::settings::MethodTable;
use recon_data::raw::RawKspace;
use recon_pipelines::CaseSpec;
use std::path::Path;

/// A format, and what reads it.
pub(crate) struct Target {
    /// Its name.
    pub(crate) name: &'static str,
    /// What the name of a file of it ends in.
    pub(crate) ending: &'static str,
    /// Reads a file; the message, if it is refused.
    pub(crate) read: fn(&Path) -> Option<String>,
}

/// Every format that comes from outside.
pub(crate) const TARGETS: &[Target] = &[
    Target { name: "dicom", ending: "dcm", read: image },
    Target { name: "nifti", ending: "nii", read: image },
    Target { name: "npy", ending: "npy", read: array },
    Target { name: "hdf5", ending: "h5", read: kspace },
    Target { name: "cfl", ending: "cfl", read: pair },
    Target { name: "safetensors", ending: "safetensors", read: checkpoint },
    Target { name: "pickle", ending: "pth", read: checkpoint },
    Target { name: "flax", ending: "flax", read: checkpoint },
    Target { name: "manifest", ending: "toml", read: manifest },
    Target { name: "case", ending: "toml", read: case },
];

fn message<T, E: std::fmt::Display>(outcome: Result<T, E>) -> Option<String> {
    outcome.err().map(|error| error.to_string())
}

fn image(path: &Path) -> Option<String> {
    let _ = recon_data::inspect(path);
    message(recon_data::read(path))
}

fn array(path: &Path) -> Option<String> {
    let _ = (
        recon_data::npy::read_complex(path),
        recon_data::npy::read_mask(path),
        recon_data::npy::read_f64(path),
    );
    image(path)
}

fn kspace(path: &Path) -> Option<String> {
    let _ = recon_data::inspect(path);
    let read = || -> Result<(), recon_data::DataError> {
        let raw = RawKspace::open(path)?;
        raw.noise()?;
        // Lies about their number are told in time by the first ones.
        for k in 0..raw.shape()[0].min(4) {
            let _ = (raw.frame(k), raw.mask(k)?, raw.reference(k)?);
            raw.slice(k)?;
        }
        Ok(())
    };
    message(read())
}

/// A header and its samples in one: what stands before the first zero byte is the `.hdr`, what comes after it the `.cfl`.
fn pair(path: &Path) -> Option<String> {
    let bytes = std::fs::read(path).ok()?;
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    let (header, data) = bytes.split_at(end);
    let both = path.with_extension("pair.cfl");
    std::fs::write(both.with_extension("hdr"), header).ok()?;
    std::fs::write(&both, data.get(1..).unwrap_or_default()).ok()?;
    kspace(&both)
}

fn checkpoint(path: &Path) -> Option<String> {
    let read = || {
        let checkpoint = Checkpoint::open(path)?;
        let _ = (checkpoint.has_average(), checkpoint.step());
        checkpoint.tensors().map(|tensors| tensors.len())
    };
    message(read())
}

/// The card of a model, in a folder of its own.
fn manifest(path: &Path) -> Option<String> {
    let folder = path.with_extension("bundle");
    std::fs::create_dir_all(&folder).ok()?;
    std::fs::copy(path, folder.join("manifest.toml")).ok()?;
    message(read_card(&ModelSource::Path(folder)))
}

fn case(path: &Path) -> Option<String> {
    let text = String::from_utf8_lossy(&std::fs::read(path).ok()?).into_owned();
    let case: Result<CaseSpec<MethodTable>, _> = toml::from_str(&text);
    match case {
        Ok(case) => message(case.check()),
        Err(error) => Some(error.message().lines().collect::<Vec<_>>().join(" ")),
    }
}
