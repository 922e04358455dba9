//! Where results go: stdout, a file that is whole or absent, or whatever else a path leads to.

use crate::{
    atomic::{self, folder_of},
    error::FileError,
};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};
use tempfile::NamedTempFile;

/// How many links a path may go through; as many as Linux follows.
const LINKS: usize = 40;

/// A place for one result, opened before the work that makes it, so that a bad path is known at once.
///
/// A regular file is written beside its place and renamed, so that it is whole or as it was; a link stays a link, and what it
/// leads to is written. What is no regular file (a device, a pipe, `/dev/stdout`, `/dev/fd/3`) is written through and never
/// replaced or removed; a folder is refused.
#[derive(Debug)]
pub enum Output {
    /// The standard output.
    Stdout,
    /// A regular file, or a name that is free.
    File(Replacement),
    /// Anything that bytes can be written to one after the other.
    Stream(File, PathBuf),
}

/// A file on its way to the place of another.
#[derive(Debug)]
pub struct Replacement {
    beside: NamedTempFile,
    /// Behind all links.
    place: PathBuf,
    /// As it was asked for.
    path: PathBuf,
}

impl Output {
    /// Opens the place of a result; without a path it is stdout.
    ///
    /// # Errors
    /// [`FileError::Io`] with the path as given: for a folder, a folder that is not there, a file or device that may not be
    /// written, links in a circle.
    pub fn open(path: Option<&Path>) -> Result<Self, FileError> {
        let Some(path) = path else { return Ok(Self::Stdout) };
        let fail = |source| FileError::io("write", path, source);
        let place = behind_links(path).map_err(fail)?;
        if is_descriptor(&place, "1") {
            return Ok(Self::Stdout);
        }
        match fs::metadata(&place) {
            Ok(there) if there.is_dir() => Err(fail(ErrorKind::IsADirectory.into())),
            Ok(there) if !there.is_file() || is_open_file(&place) => {
                let stream = OpenOptions::new().append(true).open(&place).map_err(fail)?;
                Ok(Self::Stream(stream, path.to_owned()))
            }
            Ok(there) => {
                // The folder decides about a rename; what the file itself allows counts, too.
                OpenOptions::new().write(true).open(&place).map_err(fail)?;
                let replacement = Replacement::new(place, path)?;
                replacement.beside.as_file().set_permissions(there.permissions()).map_err(fail)?;
                Ok(Self::File(replacement))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                Ok(Self::File(Replacement::new(place, path)?))
            }
            Err(error) => Err(fail(error)),
        }
    }

    /// Whether the result goes to the standard output.
    pub fn is_stdout(&self) -> bool {
        matches!(self, Self::Stdout)
    }

    /// Writes the whole result, and makes a file of it.
    ///
    /// A reader that has seen enough (`| head`) is no failure.
    ///
    /// # Errors
    /// [`FileError::Io`], for a full disk or device too; a file that was there is as it was then.
    pub fn write(mut self, bytes: &[u8]) -> Result<(), FileError> {
        self.append(bytes)?;
        self.finish()
    }

    /// Writes a part of the result, after those before it; a file is not there before [`Output::finish`].
    ///
    /// # Errors
    /// As [`Output::write`].
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        match self {
            Self::Stdout => print(bytes),
            Self::Stream(stream, path) => {
                let written = stream.write_all(bytes).and_then(|()| stream.flush());
                unless_reader_left(written).map_err(|source| FileError::io("write", path, source))
            }
            Self::File(Replacement { beside, path, .. }) => {
                beside.write_all(bytes).map_err(|source| FileError::io("write", path, source))
            }
        }
    }

    /// Makes a file of what was written.
    ///
    /// # Errors
    /// As [`Output::write`].
    pub fn finish(self) -> Result<(), FileError> {
        match self {
            Self::Stdout | Self::Stream(..) => Ok(()),
            Self::File(Replacement { beside, place, path }) => {
                atomic::persist(beside, &place).map_err(|error| renamed(error, &path))
            }
        }
    }
}

impl Replacement {
    /// Begins it, and removes what killed processes have left beside it.
    fn new(place: PathBuf, path: &Path) -> Result<Self, FileError> {
        let _ = atomic::remove_leftovers(folder_of(&place));
        let beside = atomic::temporary_beside(&place).map_err(|error| renamed(error, path))?;
        Ok(Self { beside, place, path: path.to_owned() })
    }
}

/// Refuses an output that is one of the inputs, by whatever names.
///
/// # Errors
/// [`FileError::IsInput`].
pub fn refuse_inputs<P: AsRef<Path>>(
    out: &Path,
    inputs: impl IntoIterator<Item = P>,
) -> Result<(), FileError> {
    let identity = |path: &Path| path.metadata().ok().map(|file| (file.dev(), file.ino(), file.is_file()));
    let Some(own) = identity(out).filter(|own| own.2) else { return Ok(()) };
    if inputs.into_iter().any(|input| identity(input.as_ref()) == Some(own)) {
        return Err(FileError::IsInput { path: out.to_owned() });
    }
    Ok(())
}

/// Writes a result file: [`Output::open`] and [`Output::write`] at once.
///
/// # Errors
/// Theirs.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    Output::open(Some(path))?.write(bytes)
}

/// Writes data to stdout, to its last byte; a reader that left early is no error, a full disk is.
///
/// # Errors
/// [`FileError::Io`].
pub fn print(bytes: &[u8]) -> Result<(), FileError> {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(bytes).and_then(|()| stdout.flush());
    unless_reader_left(written).map_err(|source| FileError::io("write", Path::new("stdout"), source))
}

fn unless_reader_left(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// The error about a place behind links, with the path that was asked for.
fn renamed(error: FileError, asked: &Path) -> FileError {
    match error {
        FileError::Io { action, source, .. } => FileError::io(action, asked, source),
        other => other,
    }
}

/// What a path leads to, whether or not something is there; a link to an open file (`/proc/self/fd/1`) stays one.
fn behind_links(path: &Path) -> io::Result<PathBuf> {
    let mut place = path.to_owned();
    for _ in 0..LINKS {
        let Some(name) = place.file_name().map(ToOwned::to_owned) else { return Ok(place) };
        if place.as_os_str().as_encoded_bytes().ends_with(b"/") {
            return Err(ErrorKind::IsADirectory.into());
        }
        place = folder_of(&place).canonicalize()?.join(name);
        match fs::symlink_metadata(&place) {
            Ok(there) if there.is_symlink() && !is_open_file(&place) => {
                place = folder_of(&place).join(fs::read_link(&place)?);
            }
            Ok(_) => return Ok(place),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(place),
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("too many links"))
}

/// Whether a place stands for a file that a process has open: renaming over what it leads to would miss that process.
fn is_open_file(place: &Path) -> bool {
    place.starts_with("/proc") && place.parent().is_some_and(|folder| folder.ends_with("fd"))
}

/// Whether a place is this process's open file of that number.
fn is_descriptor(place: &Path, number: &str) -> bool {
    let ours = Path::new("/proc").join(std::process::id().to_string());
    is_open_file(place) && place.starts_with(ours) && place.ends_with(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};

    #[test]
    fn a_file_is_replaced_whole_and_keeps_who_may_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.md");
        write(&path, b"one").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let output = Output::open(Some(&path)).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"one", "as it was until the result is whole");
        output.write(b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
    }

    #[test]
    fn links_stay_links_and_what_they_lead_to_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("elsewhere")).unwrap();
        fs::write(at("elsewhere/old.md"), "old").unwrap();
        symlink("elsewhere/old.md", at("to-old")).unwrap();
        symlink("elsewhere/new.md", at("to-nothing-yet")).unwrap();
        symlink(at("to-old"), at("to-a-link")).unwrap();
        for (link, place) in [
            ("to-old", "elsewhere/old.md"),
            ("to-nothing-yet", "elsewhere/new.md"),
            ("to-a-link", "elsewhere/old.md"),
        ] {
            write(&at(link), link.as_bytes()).unwrap();
            assert!(at(link).symlink_metadata().unwrap().is_symlink(), "{link}");
            assert_eq!(fs::read_to_string(at(place)).unwrap(), link);
        }
        symlink(at("circle"), at("circle")).unwrap();
        let error = write(&at("circle"), b"x").unwrap_err();
        assert!(error.to_string().contains("circle"), "{error}");
    }

    #[test]
    fn a_device_is_written_through_and_a_full_one_is_an_error() {
        for device in ["/dev/null", "/dev/full"] {
            let through = write(Path::new(device), b"result");
            assert_eq!(through.is_ok(), device == "/dev/null", "{device}: {through:?}");
            assert!(fs::metadata(device).unwrap().file_type().is_char_device(), "{device} is what it was");
        }
        let folder = tempfile::tempdir().unwrap();
        symlink("/dev/full", folder.path().join("link")).unwrap();
        assert!(write(&folder.path().join("link"), b"result").is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_pipe_passes_the_result_on_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || fs::read(pipe).unwrap()
        });
        write(&pipe, b"result").unwrap();
        assert_eq!(reader.join().unwrap(), b"result");
        assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());
    }

    #[test]
    fn an_open_file_is_appended_to_where_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        fs::write(&path, "before\n").unwrap();
        let open = OpenOptions::new().append(true).open(&path).unwrap();
        let number = std::os::fd::AsRawFd::as_raw_fd(&open);
        write(Path::new(&format!("/dev/fd/{number}")), b"result").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "before\nresult");
    }

    #[test]
    fn a_folder_is_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let empty = folder.path().join("empty");
        fs::create_dir(&empty).unwrap();
        for path in
            [empty.clone(), folder.path().join("new/"), folder.path().join("absent/table.md"), "/".into()]
        {
            assert!(matches!(write(&path, b"x"), Err(FileError::Io { .. })), "{}", path.display());
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
