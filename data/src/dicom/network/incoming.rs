//! Images that a peer sends: to files, as they come.

use super::command::Command;
use super::error::NetworkError;
use super::link::{Link, trimmed};
use super::status::Status;
use super::uid::Uid;
use crate::DataError;
use crate::dicom::file::check_whole;
use crate::dicom::identity::uid;
use crate::error::whole_chain;
use dicom_object::FileMetaTableBuilder;
use dicom_ul::association::SyncAssociation;
use std::fs::File;
use std::io::{BufWriter, ErrorKind, Write};
use std::net::TcpStream;
use std::path::Path;

/// More bytes than any image has.
const LONGEST_IMAGE: u64 = 1 << 34;

/// What a request to store is about.
struct Arriving<'a> {
    context: u8,
    class: Uid,
    instance: Uid,
    syntax: String,
    folder: &'a Path,
}

/// Takes one image into a folder, under the name of its identifier, and answers; whether it is there now.
///
/// What makes no sense is refused and the association goes on.
///
/// # Errors
/// [`NetworkError::Data`] when the file cannot be written, [`NetworkError::Peer`] when the association breaks.
pub(super) fn receive<A: SyncAssociation<TcpStream>>(
    link: &mut Link<'_, A>,
    (context, command): (u8, &Command),
    folder: &Path,
) -> Result<bool, NetworkError> {
    let status = match arriving(link, (context, command), folder) {
        Some(image) => take(link, &image)?,
        None => {
            link.data(context, LONGEST_IMAGE, &mut |_| Ok(()))?;
            Status::NOT_UNDERSTOOD
        }
    };
    link.send(context, command.stored(status))?;
    Ok(status == Status::SUCCESS)
}

/// What is arriving, if it is of the kind that was agreed on.
fn arriving<'a, A: SyncAssociation<TcpStream>>(
    link: &Link<'_, A>,
    (context, command): (u8, &Command),
    folder: &'a Path,
) -> Option<Arriving<'a>> {
    let agreed = link.contexts().iter().find(|agreed| agreed.id == context)?;
    let (class, instance) = (command.class()?, command.instance()?);
    let fits = command.has_data() && trimmed(&agreed.abstract_syntax) == class.as_str();
    let syntax = trimmed(&agreed.transfer_syntax).to_owned();
    fits.then_some(Arriving { context, class, instance, syntax, folder })
}

fn take<A: SyncAssociation<TcpStream>>(
    link: &mut Link<'_, A>,
    image: &Arriving<'_>,
) -> Result<Status, NetworkError> {
    let path = image.folder.join(format!("{}.dcm", image.instance));
    let io = |source| NetworkError::from(DataError::io(&path, source));
    let file = match File::create_new(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            link.data(image.context, LONGEST_IMAGE, &mut |_| Ok(()))?;
            return Ok(Status::DUPLICATE);
        }
        Err(error) => return Err(io(error)),
    };
    let mut file = BufWriter::with_capacity(1 << 17, file);
    file.write_all(&head(image, &path)?).map_err(io)?;
    link.data(image.context, LONGEST_IMAGE, &mut |part| file.write_all(part).map_err(io))?;
    file.flush().map_err(io)?;
    if check_whole(&path).is_ok() {
        return Ok(Status::SUCCESS);
    }
    std::fs::remove_file(&path).map_err(io)?;
    Ok(Status::NOT_UNDERSTOOD)
}

/// What a file has before its data set.
fn head(image: &Arriving<'_>, path: &Path) -> Result<Vec<u8>, DataError> {
    let failed =
        |cause: &dyn std::error::Error| DataError::io(path, std::io::Error::other(whole_chain(cause)));
    let meta = FileMetaTableBuilder::new()
        .transfer_syntax(image.syntax.as_str())
        .media_storage_sop_class_uid(image.class.as_str())
        .media_storage_sop_instance_uid(image.instance.as_str())
        .implementation_class_uid(uid(&["implementation"]))
        .implementation_version_name("RECON")
        .build()
        .map_err(|error| failed(&error))?;
    let mut bytes = vec![0; 128];
    bytes.extend_from_slice(b"DICM");
    meta.write(&mut bytes).map_err(|error| failed(&error))?;
    Ok(bytes)
}
