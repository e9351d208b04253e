//! The card alone, and a bundle with the same weights under another card.

use super::bundle::{
    MAX_HEADER, MAX_MANIFEST, WEIGHTS, builtin_tensors, expected_numbers, parse_manifest, read_bounded,
    replace,
};
use super::error::ModelError;
use super::manifest::Manifest;
use super::source::{COARSE, MANIFEST, ModelSource};
use std::borrow::Cow;
use std::fs;
use std::path::Path;

/// The card of `source`, without a look at the weights.
///
/// # Errors
/// When it is missing, does not parse or contradicts itself.
pub fn read_card(source: &ModelSource) -> Result<Manifest, ModelError> {
    if let Some(builtin) = source.builtin() {
        return parse_manifest(builtin.manifest, &source.path());
    }
    let path = source.path().join(MANIFEST);
    let text = String::from_utf8(read_bounded(&path, MAX_MANIFEST)?)
        .map_err(|_| ModelError::Manifest { path: path.clone(), detail: "is not UTF-8 text".to_owned() })?;
    parse_manifest(&text, &path)
}

/// Writes a bundle into `folder`, which is made if need be: the weights of `source`, byte by byte, and `card`; beside
/// them the coarse model of `source`, if it has one. Weights that are there already are left alone, so the folder may
/// be that of `source`.
///
/// # Errors
/// When a file cannot be read or written.
pub fn copy_bundle(source: &ModelSource, card: &Manifest, folder: &Path) -> Result<(), ModelError> {
    if let Some(coarse) = source.coarse() {
        copy_bundle(&coarse, &read_card(&coarse)?, &folder.join(COARSE))?;
    }
    let text = toml::to_string(card)
        .map_err(|e| ModelError::Manifest { path: folder.join(MANIFEST), detail: e.to_string() })?;
    let bytes = match source.builtin() {
        Some(builtin) => Cow::Borrowed(builtin_tensors(&builtin, &source.path())?),
        None => {
            Cow::Owned(read_bounded(&source.path().join(WEIGHTS), expected_numbers(card) * 4 + MAX_HEADER)?)
        }
    };
    fs::create_dir_all(folder).map_err(|source| ModelError::Write { path: folder.to_owned(), source })?;
    let weights = folder.join(WEIGHTS);
    if fs::read(&weights).is_ok_and(|there| there == *bytes) {
        return replace(&folder.join(MANIFEST), text.as_bytes());
    }
    replace(&weights, &bytes)?;
    replace(&folder.join(MANIFEST), text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::super::read_bundle;
    use super::*;
    use recon_data::Modality;

    #[test]
    fn a_copy_has_the_weights_and_the_new_card() {
        let folder = tempfile::tempdir().expect("a folder");
        let source = ModelSource::Builtin(Modality::Mr);
        let mut card = read_card(&source).expect("good");
        card.summary = "another".to_owned();
        let copy = folder.path().join("deep/copy");
        copy_bundle(&source, &card, &copy).expect("written");
        assert_eq!(read_bundle(&copy).expect("verified").0, card);
        card.summary = "a third".to_owned();
        let copied = ModelSource::Path(copy.clone());
        copy_bundle(&copied, &card, &copy).expect("written onto itself");
        assert_eq!(read_bundle(&copy).expect("verified").0, card);
        assert_eq!(read_card(&copied).expect("good"), card);
        let coarse =
            [&source, &copied].map(|bundle| read_card(&bundle.coarse().expect("one")).expect("good"));
        assert_eq!(coarse[0], coarse[1]);
    }
}
