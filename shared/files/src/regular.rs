//! Input files: regular ones, whose size is known. A pipe or device in the place of one is refused instead of waited for.

use std::{
    fs::{File, OpenOptions},
    io::{self, ErrorKind, Read},
    os::unix::fs::{FileTypeExt, OpenOptionsExt},
    path::Path,
};

/// Opens a file for reading.
///
/// # Errors
/// The system's, and [`ErrorKind::InvalidInput`] with what is there for anything but a regular file.
pub fn open(path: &Path) -> io::Result<File> {
    // A pipe without a writer would keep the program waiting for ever; regular files take no notice of the flag.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path).map_err(|error| {
        // A socket cannot be opened, in words that say nothing.
        let socket = error.raw_os_error() == Some(libc::ENXIO);
        if socket { no_file("a socket") } else { error }
    })?;
    let kind = file.metadata()?.file_type();
    if kind.is_file() {
        return Ok(file);
    }
    if kind.is_dir() {
        return Err(ErrorKind::IsADirectory.into());
    }
    let what = if kind.is_fifo() {
        "a pipe"
    } else if kind.is_char_device() || kind.is_block_device() {
        "a device"
    } else {
        "something else"
    };
    Err(no_file(what))
}

fn no_file(what: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, format!("expected a regular file, got {what}"))
}

/// Reads a whole file.
///
/// # Errors
/// Those of [`open`].
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    read_at_most(path, u64::MAX)
}

/// Reads a whole file that is not larger than its kind can be.
///
/// # Errors
/// Those of [`open`], and [`ErrorKind::FileTooLarge`].
pub fn read_at_most(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let file = open(path)?;
    let bytes = file.metadata()?.len();
    if bytes > limit {
        let message = format!("{bytes} bytes, expected at most {limit}");
        return Err(io::Error::new(ErrorKind::InvalidData, message));
    }
    let mut content = Vec::new();
    content
        .try_reserve_exact(usize::try_from(bytes).unwrap_or(usize::MAX))
        .map_err(|_| io::Error::from(ErrorKind::OutOfMemory))?;
    // No more than it was: a file may grow meanwhile.
    file.take(bytes).read_to_end(&mut content)?;
    Ok(content)
}

/// Reads a whole file of UTF-8.
///
/// # Errors
/// Those of [`open`], and [`ErrorKind::InvalidData`].
pub fn read_to_string(path: &Path) -> io::Result<String> {
    String::from_utf8(read(path)?).map_err(|error| io::Error::new(ErrorKind::InvalidData, error.utf8_error()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, os::unix::net::UnixListener};

    #[test]
    fn pipes_devices_sockets_and_folders_are_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), "text").unwrap();
        assert_eq!(read_to_string(&at("file")).unwrap(), "text");
        assert!(read_at_most(&at("file"), 3).unwrap_err().to_string().contains("4 bytes"));
        assert!(std::process::Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
        let _socket = UnixListener::bind(at("socket")).unwrap();
        for (path, what) in [
            (at("pipe"), "a pipe"),
            (at("socket"), "a socket"),
            ("/dev/zero".into(), "a device"),
            (folder.path().to_owned(), "directory"),
        ] {
            let error = read(&path).unwrap_err().to_string();
            assert!(error.contains(what), "{error}");
        }
        fs::write(at("latin-1"), b"\xe9").unwrap();
        assert_eq!(read_to_string(&at("latin-1")).unwrap_err().kind(), ErrorKind::InvalidData);
    }
}
