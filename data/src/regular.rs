//! Opening what is a file.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Opens a file for reading, if it is one: a pipe waits for ever, and a device never ends.
///
/// # Errors
/// When it cannot be opened, or is a folder, a pipe, a socket or a device.
pub fn open_regular(path: &Path) -> io::Result<File> {
    let check = |kind: std::fs::FileType| match () {
        () if kind.is_file() => Ok(()),
        () if kind.is_dir() => Err(io::Error::other("it is a folder")),
        () => Err(io::Error::other("it is not a regular file")),
    };
    // Before it is opened, as that alone may wait; and again, as it may have changed.
    check(path.metadata()?.file_type())?;
    let file = File::open(path)?;
    check(file.metadata()?.file_type())?;
    Ok(file)
}

/// The text of a file of at most `most` bytes; see [`open_regular`].
///
/// # Errors
/// When it cannot be read, is longer, or is not UTF-8.
pub fn read_text(path: &Path, most: u64) -> io::Result<String> {
    let mut text = String::new();
    open_regular(path)?.take(most + 1).read_to_string(&mut text)?;
    if text.len() as u64 > most {
        return Err(io::Error::other(format!("it has more than {most} bytes")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_a_file_is_not_opened() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, "four").unwrap();
        assert_eq!(read_text(&path, 4).unwrap(), "four");
        assert!(read_text(&path, 3).is_err());
        assert!(open_regular(folder.path()).unwrap_err().to_string().contains("folder"));
        assert!(open_regular(Path::new("/dev/null")).unwrap_err().to_string().contains("regular"));
        assert!(open_regular(&folder.path().join("none")).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_socket_and_an_endless_link_are_not_opened() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        assert!(open_regular(&socket).is_err());
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&link, &link).unwrap();
        assert!(open_regular(&link).is_err());
    }
}
