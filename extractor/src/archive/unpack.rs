//! An archive becomes a cache again.
//!
//! The archive is read twice. First nothing is written: the manifest at its end is read, and every entry must be a plain file
//! that the manifest lists, of the size that it says. Then the files are written, each compared with its checksum. So an archive
//! puts nothing on the disk that its manifest does not answer for, and takes no memory beyond the manifest.

use super::{Stoppable, prepare, unless_stopped};
use crate::{error::ExtractError, place};
use cache::{CacheError, FeatureCache, FileInfo, MANIFEST_FILE, Manifest};
use files::{atomic::TemporaryFolder, regular};
use program::interrupt::Interrupt;
use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read, Write},
    path::{Path, PathBuf},
};
use tar::{Archive, Entry, EntryType};
use zstd::Decoder;

/// A larger manifest is none.
const LARGEST_MANIFEST: u64 = 1 << 28;

/// Bytes after the last entry: tar fills its last record up with zeros.
const LONGEST_TAIL: u64 = 1 << 20;

/// Unpacks an archive into a new folder, which appears only when everything in it has been checked.
///
/// # Errors
/// [`ExtractError::Exists`] for a folder that is there and not empty; [`ExtractError::Malformed`] for an archive that is
/// cut off, damaged, or holds anything but the plain files of its manifest; [`ExtractError::File`].
pub fn unpack(archive: &Path, cache: &Path, interrupt: &Interrupt) -> Result<(), ExtractError> {
    place::for_folder(cache)?;
    prepare(cache)?;
    // A link to an empty folder stays one: what it leads to becomes the cache.
    let behind_links = cache.canonicalize();
    let cache = behind_links.as_deref().unwrap_or(cache);
    let source = Source { path: archive, interrupt };
    unless_stopped(unpack_checked(&source, cache), interrupt, "nothing was unpacked")
}

fn unpack_checked(source: &Source<'_>, cache: &Path) -> Result<(), ExtractError> {
    let contents = source.survey()?;
    if let Some(parent) = cache.parent() {
        std::fs::create_dir_all(parent).map_err(ExtractError::io("create", parent))?;
    }
    let folder = TemporaryFolder::beside(cache)?;
    source.write(&contents, folder.path(), cache)?;
    FeatureCache::open(folder.path()).map_err(|error| {
        // The temporary folder's name says nothing to the user.
        source.malformed(error.to_string().replace(&format!("{}/", folder.path().display()), ""))
    })?;
    Ok(folder.persist(cache)?)
}

/// What an archive is to hold, by its own manifest.
struct Contents {
    files: BTreeMap<PathBuf, FileInfo>,
    manifest: Vec<u8>,
}

struct Source<'a> {
    path: &'a Path,
    interrupt: &'a Interrupt,
}

type Unpacked<'a> = Stoppable<'a, Decoder<'static, io::BufReader<File>>>;

impl<'a> Source<'a> {
    fn open(&self) -> Result<Archive<Unpacked<'a>>, ExtractError> {
        let file = regular::open(self.path).map_err(ExtractError::io("open", self.path))?;
        let reader = Decoder::new(file).map_err(|error| self.malformed(error.to_string()))?;
        Ok(Archive::new(Stoppable { reader, interrupt: self.interrupt }))
    }

    /// Calls `visit` with the name and content of every entry, to the last byte of the archive.
    fn each(
        &self,
        mut visit: impl FnMut(PathBuf, &mut Entry<'_, Unpacked<'a>>) -> Result<(), ExtractError>,
    ) -> Result<(), ExtractError> {
        let broken = |error: io::Error| self.malformed(error.to_string());
        let mut tar = self.open()?;
        // Raw: long names, extended headers and sparse files, which declare sizes of their own, are entries as they lie there.
        for entry in tar.entries().map_err(broken)?.raw(true) {
            let mut entry = entry.map_err(broken)?;
            let name = entry.path().map_err(broken)?.into_owned();
            if entry.header().entry_type() != EntryType::Regular {
                return Err(self.malformed(format!("`{}`, which is no plain file", name.display())));
            }
            visit(name, &mut entry)?;
        }
        // tar stops at its own end; zstd's checksum comes after it.
        let mut tail = Vec::new();
        tar.into_inner().take(LONGEST_TAIL + 1).read_to_end(&mut tail).map_err(broken)?;
        if tail.len() as u64 > LONGEST_TAIL || tail.iter().any(|&byte| byte != 0) {
            return Err(self.malformed("more after its end".to_owned()));
        }
        Ok(())
    }

    /// Reads the manifest at the end and compares the entries' names and sizes with it.
    fn survey(&self) -> Result<Contents, ExtractError> {
        let (mut sizes, mut manifest) = (BTreeMap::new(), None);
        self.each(|name, entry| {
            if manifest.is_some() || sizes.contains_key(&name) {
                return Err(self.malformed(format!("`{}` after the end", name.display())));
            }
            if name == Path::new(MANIFEST_FILE) {
                manifest = Some(self.manifest(entry)?);
            } else {
                sizes.insert(name, entry.size());
            }
            Ok(())
        })?;
        let manifest = manifest.ok_or_else(|| self.malformed("no manifest at its end".to_owned()))?;
        let files = self.listed(&manifest, &sizes)?;
        Ok(Contents { files, manifest })
    }

    fn manifest(&self, entry: &mut Entry<'_, Unpacked<'a>>) -> Result<Vec<u8>, ExtractError> {
        if entry.size() > LARGEST_MANIFEST {
            return Err(self.malformed(format!("a manifest of {} bytes", entry.size())));
        }
        let mut text = Vec::new();
        entry
            .take(LARGEST_MANIFEST)
            .read_to_end(&mut text)
            .map_err(|error| self.malformed(error.to_string()))?;
        Ok(text)
    }

    /// The files that the manifest lists, after a check that the archive holds these and no others.
    fn listed(
        &self,
        manifest: &[u8],
        sizes: &BTreeMap<PathBuf, u64>,
    ) -> Result<BTreeMap<PathBuf, FileInfo>, ExtractError> {
        let manifest =
            Manifest::from_text(Path::new(MANIFEST_FILE), manifest).map_err(|error| match error {
                error @ CacheError::WrongVersion { .. } => error.into(),
                error => self.malformed(error.to_string()),
            })?;
        let files: BTreeMap<PathBuf, FileInfo> = manifest
            .files()
            .cloned()
            .chain(cache::indices(&manifest))
            .map(|file| (PathBuf::from(&file.file), file))
            .collect();
        for (name, &size) in sizes {
            match files.get(name) {
                None => {
                    return Err(
                        self.malformed(format!("`{}`, which its manifest does not list", name.display()))
                    );
                }
                Some(file) if file.bytes != size => {
                    return Err(
                        self.malformed(format!("`{}` of {size} bytes instead of {}", file.file, file.bytes))
                    );
                }
                Some(_) => {}
            }
        }
        match files.keys().find(|&name| !sizes.contains_key(name)) {
            Some(name) => Err(self.malformed(format!("no `{}`", name.display()))),
            None => Ok(files),
        }
    }

    /// Writes every file to `folder`, which becomes `cache`.
    fn write(&self, contents: &Contents, folder: &Path, cache: &Path) -> Result<(), ExtractError> {
        self.each(|name, entry| {
            let path = folder.join(&name);
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent).map_err(ExtractError::io("create", cache))?;
            }
            let (bytes, digest) = match contents.files.get(&name) {
                Some(file) => (file.bytes, file.blake3.clone()),
                None if name == Path::new(MANIFEST_FILE) => {
                    (contents.manifest.len() as u64, blake3::hash(&contents.manifest).to_hex().to_string())
                }
                // Not what was surveyed.
                None => return Err(self.malformed("other files than a moment ago".to_owned())),
            };
            let got = self.write_file(&mut entry.take(bytes), &path, cache)?;
            if got != digest {
                return Err(
                    self.malformed(format!("`{}` with checksum {got}, expected {digest}", name.display()))
                );
            }
            Ok(())
        })
    }

    /// Writes a file and returns its BLAKE3.
    fn write_file(&self, content: &mut impl Read, path: &Path, cache: &Path) -> Result<String, ExtractError> {
        let mut file = File::create_new(path).map_err(ExtractError::io("write", cache))?;
        let (mut hasher, mut block) = (blake3::Hasher::new(), vec![0; 1 << 18]);
        loop {
            // Reading fails for a damaged archive, writing for a full disk: different errors.
            let length = content.read(&mut block).map_err(|error| self.malformed(error.to_string()))?;
            let Some(read) = block.get(..length).filter(|read| !read.is_empty()) else { break };
            hasher.update(read);
            file.write_all(read).map_err(ExtractError::io("write", cache))?;
        }
        file.sync_all().map_err(ExtractError::io("write", cache))?;
        Ok(hasher.finalize().to_hex().to_string())
    }

    fn malformed(&self, got: String) -> ExtractError {
        ExtractError::Malformed {
            path: self.path.to_owned(),
            expected: "an archive of `extractor pack`".to_owned(),
            got,
            hint: "get the archive again, or pack the cache again".to_owned(),
        }
    }
}
