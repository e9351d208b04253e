//! C-GET: fetching images from an archive (PS3.4, C.4.3, in the study root model).

use super::classes::{COMMON, PLAIN, STORED, STUDY_GET};
use super::command::{Command, Kind};
use super::error::NetworkError;
use super::filter::{Filter, ModalityCode};
use super::find::Finder;
use super::incoming::receive;
use super::link::Link;
use super::negotiate::{MOST_CONTEXTS, Offer, connect};
use super::status::{Outcome, Status};
use super::uid::Uid;
use super::{Listener, Node};
use crate::dicom::builder::Builder;
use crate::{DataError, Overwrite, atomic};
use dicom_core::VR;
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// More images than any series has.
const MOST_IMAGES: usize = 1 << 20;

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

/// A series to be fetched, and where it goes.
struct Wanted {
    series: Uid,
    folder: PathBuf,
    /// The kinds of its images.
    classes: BTreeSet<String>,
    /// How many there are.
    images: usize,
}

/// Fetches a study into a folder with one folder for each series, or one series into a folder of its own.
///
/// The files are called `<SOP Instance UID>.dcm` and hold the data sets as they came. A series is written as a whole:
/// when it breaks off, nothing of it is left, and the series before it stay.
///
/// # Errors
/// [`NetworkError::Nothing`] when there is no such study or series; [`NetworkError::Data`] when a folder exists or
/// cannot be written; [`NetworkError::Peer`] when the archive cannot be reached, has no C-FIND or C-GET, or breaks off.
pub fn pull(
    node: &Node,
    selection: &Selection,
    (folder, overwrite): (&Path, Overwrite),
    listen: Listener<'_>,
) -> Result<Pulled, NetworkError> {
    let wanted = wanted(node, selection, folder)?;
    for series in &wanted {
        atomic::replaceable(&series.folder, overwrite)?;
    }
    let total = wanted.iter().map(|series| series.images).sum();
    let mut pulled = Pulled::default();
    let mut link = connect(node, &offers(&wanted))?;
    std::fs::create_dir_all(parent(folder, selection)).map_err(|source| DataError::io(folder, source))?;
    for series in &wanted {
        let before = pulled.images;
        let arrived = |images: usize| listen(before + images, total);
        let fetched = fetch(&mut link, &selection.study, series, (overwrite, &arrived));
        let (images, missing) = match fetched {
            Ok(counts) => counts,
            Err(error) => {
                link.abort();
                return Err(error);
            }
        };
        pulled.images += images;
        pulled.missing += missing;
        pulled.folders.push(series.folder.clone());
    }
    link.close();
    Ok(pulled)
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

/// The service, and every kind of image in every encoding for itself, so that each comes as it is stored.
fn offers(wanted: &[Wanted]) -> Vec<Offer> {
    let mut classes: BTreeSet<&str> =
        wanted.iter().flat_map(|series| &series.classes).map(String::as_str).collect();
    // An archive may not say what it has.
    if wanted.iter().any(|series| series.classes.is_empty()) {
        classes.extend(COMMON);
    }
    let apart = classes.len() * STORED.len() < MOST_CONTEXTS;
    let of_class = |class: &str| match apart {
        true => STORED.iter().map(|&syntax| Offer::receiving(class, &[syntax])).collect(),
        false => vec![Offer::receiving(class, &STORED)],
    };
    let service = Offer::using(STUDY_GET, &PLAIN);
    std::iter::once(service).chain(classes.iter().flat_map(|class| of_class(class))).collect()
}

/// Fetches one series; how many images came, and how many did not.
fn fetch(
    link: &mut Link<'_>,
    study: &Uid,
    wanted: &Wanted,
    (overwrite, arrived): (Overwrite, &dyn Fn(usize)),
) -> Result<(usize, usize), NetworkError> {
    let mut counts = (0, 0);
    atomic::write_folder_with(&wanted.folder, overwrite, |folder| {
        request(link, study, &wanted.series)?;
        let (images, failed) = take(link, folder, arrived)?;
        if images == 0 {
            let what = format!("sent none of the {} images of series {}", wanted.images, wanted.series);
            return Err(NetworkError::new(link.node, what, "look into the log of the peer"));
        }
        counts = (images, failed.max(wanted.images.saturating_sub(images)));
        Ok(())
    })?;
    Ok(counts)
}

fn request(link: &mut Link<'_>, study: &Uid, series: &Uid) -> Result<(), NetworkError> {
    let context = link.context(STUDY_GET, "fetching by study (C-GET)")?;
    let id = link.next_id();
    link.send(context.0, Command::request(Kind::GetRequest, STUDY_GET, id, true))?;
    let mut keys = Builder(InMemDicomObject::new_empty());
    keys.text(tags::QUERY_RETRIEVE_LEVEL, VR::CS, "SERIES");
    keys.text(tags::STUDY_INSTANCE_UID, VR::UI, study.as_str());
    keys.text(tags::SERIES_INSTANCE_UID, VR::UI, series.as_str());
    link.send_object(context, &keys.0)
}

/// Takes images until the archive says that it is done; how many came, and how many it could not send.
fn take(link: &mut Link<'_>, folder: &Path, arrived: &dyn Fn(usize)) -> Result<(usize, usize), NetworkError> {
    let (mut images, mut requests) = (0, 0);
    loop {
        let (context, command) = link.command()?;
        requests += 1;
        match command.kind() {
            _ if requests > 2 * MOST_IMAGES => {
                return Err(NetworkError::nonsense(link.node, "it sends without end"));
            }
            Some(Kind::StoreRequest) => {
                images += usize::from(receive(link, (context, &command), folder)?);
                arrived(images);
            }
            Some(Kind::GetAnswer) => {
                if command.has_data() {
                    // The names of images that failed.
                    let context = link.context(STUDY_GET, "fetching by study (C-GET)")?;
                    link.object(context)?;
                }
                let status = command.status().unwrap_or(Status::NOT_UNDERSTOOD);
                match status.outcome() {
                    Outcome::Pending => {}
                    Outcome::Failure if images == 0 => {
                        return Err(NetworkError::refused(link.node, "to send the series", status));
                    }
                    _ => return Ok((images, command.failed())),
                }
            }
            _ => return Err(NetworkError::nonsense(link.node, "it says what was not asked")),
        }
    }
}
