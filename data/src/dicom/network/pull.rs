//! Fetching images from an archive (PS3.4, C.4.2 and C.4.3, in the study root model).

use super::error::NetworkError;
use super::filter::{Filter, ModalityCode};
use super::find::Finder;
use super::get::Get;
use super::moved::Move;
use super::uid::Uid;
use super::{Listener, Node};
use crate::dicom::builder::Builder;
use crate::{DataError, Overwrite, atomic};
use dicom_core::VR;
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What is to be fetched.
#[derive(Clone, Debug)]
pub struct Selection {
    /// The study.
    pub study: Uid,
    /// Only this series.
    pub series: Option<Uid>,
    /// Only series of this kind.
    pub modality: Option<ModalityCode>,
}

/// What was fetched.
#[derive(Clone, Debug, Default)]
pub struct Pulled {
    /// The folders that were written, one a series.
    pub folders: Vec<PathBuf>,
    /// How many images are in them.
    pub images: usize,
    /// How many the archive has and did not send, or sent so that they could not be stored.
    pub missing: usize,
}

/// How images come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transfer {
    /// Over the connection that asks for them (C-GET).
    Get,
    /// Over a connection that the archive opens to this port of this machine (C-MOVE); it has to know the AE title, address
    /// and port of this side. Only its own address is served, and only while it is asked to send.
    Move {
        /// The port.
        port: u16,
    },
}

/// A series to be fetched, and where it goes.
pub(super) struct Wanted {
    study: Uid,
    series: Uid,
    folder: PathBuf,
    /// The kinds of its images.
    pub(super) classes: BTreeSet<String>,
    /// How many there are.
    images: usize,
}

/// How many images of a series came, and how many the archive could not send.
pub(super) struct Fetched {
    pub(super) images: usize,
    pub(super) failed: usize,
}

/// An open way for images to come.
pub(super) trait Route {
    /// Takes the images of a series into a folder.
    fn fetch(
        &mut self,
        wanted: &Wanted,
        folder: &Path,
        arrived: &(dyn Fn(usize) + Sync),
    ) -> Result<Fetched, NetworkError>;

    /// Ends it when all is done.
    fn close(self: Box<Self>);

    /// Breaks it off.
    fn abort(self: Box<Self>);
}

/// Fetches a study into a folder with one folder for each series, or one series into a folder of its own.
///
/// The files are called `<SOP Instance UID>.dcm` and hold the data sets as they came. A series is written as a whole:
/// when it breaks off, nothing of it is left, and the series before it stay.
///
/// # Errors
/// [`NetworkError::Nothing`] when there is no such study or series; [`NetworkError::Data`] when a folder exists or
/// cannot be written; [`NetworkError::Peer`] when the archive cannot be reached, lacks the services, or breaks off.
pub fn pull(
    node: &Node,
    (selection, transfer): (&Selection, Transfer),
    (folder, overwrite): (&Path, Overwrite),
    listen: Listener<'_>,
) -> Result<Pulled, NetworkError> {
    let wanted = wanted(node, selection, folder)?;
    for series in &wanted {
        atomic::replaceable(&series.folder, overwrite)?;
    }
    let mut route: Box<dyn Route + '_> = match transfer {
        Transfer::Get => Box::new(Get::open(node, &wanted)?),
        Transfer::Move { port } => Box::new(Move::open(node, port)?),
    };
    let made = made(parent(folder, selection))?;
    let mut pulled = Pulled::default();
    match all(node, &mut *route, &wanted, (overwrite, listen), &mut pulled) {
        Ok(()) => {
            route.close();
            Ok(pulled)
        }
        Err(error) => {
            route.abort();
            // Only an empty folder goes.
            let _ = made.map(std::fs::remove_dir);
            Err(error)
        }
    }
}

/// The folder, if it was not there and has been made.
fn made(folder: &Path) -> Result<Option<&Path>, DataError> {
    if folder.is_dir() {
        return Ok(None);
    }
    std::fs::create_dir(folder).map_err(|source| DataError::io(folder, source))?;
    Ok(Some(folder))
}

fn all(
    node: &Node,
    route: &mut dyn Route,
    wanted: &[Wanted],
    (overwrite, listen): (Overwrite, Listener<'_>),
    pulled: &mut Pulled,
) -> Result<(), NetworkError> {
    let total = wanted.iter().map(|series| series.images).sum();
    for series in wanted {
        let before = pulled.images;
        let arrived = |images: usize| listen(before + images, total);
        let mut fetched = Fetched { images: 0, failed: 0 };
        atomic::write_folder_with(&series.folder, overwrite, |folder| {
            fetched = route.fetch(series, folder, &arrived)?;
            if fetched.images > 0 {
                return Ok(());
            }
            let what = format!("sent none of the {} images of series {}", series.images, series.series);
            Err(NetworkError::new(node, what, "see the log of the peer"))
        })?;
        pulled.images += fetched.images;
        pulled.missing += fetched.failed.max(series.images.saturating_sub(fetched.images));
        pulled.folders.push(series.folder.clone());
    }
    Ok(())
}

/// What names a series in a request to send it.
pub(super) fn keys(wanted: &Wanted) -> InMemDicomObject {
    let mut keys = Builder(InMemDicomObject::new_empty());
    keys.text(tags::QUERY_RETRIEVE_LEVEL, VR::CS, "SERIES");
    keys.text(tags::STUDY_INSTANCE_UID, VR::UI, wanted.study.as_str());
    keys.text(tags::SERIES_INSTANCE_UID, VR::UI, wanted.series.as_str());
    keys.0
}

/// The folder that the folders of the series are in.
fn parent<'a>(folder: &'a Path, selection: &Selection) -> &'a Path {
    match (&selection.series, folder.parent()) {
        (None, _) => folder,
        (Some(_), Some(parent)) if !parent.as_os_str().is_empty() => parent,
        (Some(_), _) => Path::new("."),
    }
}

/// The series that are meant, as the archive lists them.
fn wanted(node: &Node, selection: &Selection, folder: &Path) -> Result<Vec<Wanted>, NetworkError> {
    let mut finder = Finder::open(node)?;
    let filter = Filter { modality: selection.modality.clone(), ..Filter::default() };
    let mut found = finder.series(&selection.study, &filter)?;
    found.retain(|series| selection.series.as_ref().is_none_or(|uid| *uid == series.uid));
    let mut wanted = Vec::new();
    for series in found {
        let instances = finder.instances(&selection.study, &series.uid)?;
        let own = || folder.join(series.uid.as_str());
        wanted.push(Wanted {
            folder: if selection.series.is_some() { folder.to_owned() } else { own() },
            classes: instances.iter().filter_map(|image| Some(image.class.as_ref()?.to_string())).collect(),
            images: instances.len().max(series.images.unwrap_or(0)),
            series: series.uid,
            study: selection.study.clone(),
        });
    }
    finder.close();
    if wanted.is_empty() {
        return Err(NetworkError::Nothing {
            peer: node.peer.to_string(),
            what: "series that match".to_owned(),
            advice: "look for what there is with recon pacs find".to_owned(),
        });
    }
    Ok(wanted)
}
