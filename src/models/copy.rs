//! The card alone, and a bundle with the same weights under another card.

use super::bundle::{
    MANIFEST, MAX_HEADER, MAX_MANIFEST, ModelError, ModelSource, WEIGHTS, expected_numbers, parse_manifest,
    read_bounded, replace,
};
use super::manifest::Manifest;
use recon_data::Modality;
use recon_data::weights::BuiltinWeights;
use std::borrow::Cow;
use std::fs;
use std::path::Path;

/// The card of `source`, without a look at the weights.
///
/// # Errors
/// When it is missing, does not parse or contradicts itself.
pub fn read_card(source: &ModelSource) -> Result<Manifest, ModelError> {
    match source {
        ModelSource::Builtin(modality) => parse_manifest(builtin(*modality).manifest, &source.path()),
        ModelSource::Path(folder) => {
            let path = folder.join(MANIFEST);
            let text = String::from_utf8(read_bounded(&path, MAX_MANIFEST)?).map_err(|_| {
                ModelError::Manifest { path: path.clone(), detail: "is not UTF-8 text".to_owned() }
            })?;
            parse_manifest(&text, &path)
        }
    }
}

/// Writes a bundle into `folder`, which is made if need be: the weights of `source`, byte by byte, and `card`.
/// Weights that are there already are left alone, so the folder may be that of `source`.
///
/// # Errors
/// When a file cannot be read or written.
pub fn copy_bundle(source: &ModelSource, card: &Manifest, folder: &Path) -> Result<(), ModelError> {
    let text = toml::to_string(card)
        .map_err(|e| ModelError::Manifest { path: folder.join(MANIFEST), detail: e.to_string() })?;
    let bytes = match source {
        ModelSource::Builtin(modality) => Cow::Borrowed(builtin(*modality).weights),
        ModelSource::Path(from) => {
            Cow::Owned(read_bounded(&from.join(WEIGHTS), expected_numbers(card) * 4 + MAX_HEADER)?)
        }
    };
    fs::create_dir_all(folder).map_err(|source| ModelError::Io { path: folder.to_owned(), source })?;
    let weights = folder.join(WEIGHTS);
    if fs::read(&weights).is_ok_and(|there| there == *bytes) {
        return replace(&folder.join(MANIFEST), text.as_bytes());
    }
    replace(&weights, &bytes)?;
    replace(&folder.join(MANIFEST), text.as_bytes())
}

fn builtin(modality: Modality) -> BuiltinWeights {
    match modality {
        Modality::Ct => recon_data::weights::CT,
        Modality::Mr => recon_data::weights::MR,
    }
}

#[cfg(test)]
mod tests {
    use super::super::read_bundle;
    use super::*;

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
    }
}
