//! A cache becomes an archive.

use super::{Stoppable, prepare, unless_stopped};
use crate::{error::ExtractError, place};
use cache::{Damage, FeatureCache, MANIFEST_FILE, index_path};
use files::{FileError, atomic, regular};
use program::interrupt::Interrupt;
use std::{
    collections::BTreeSet,
    io::BufReader,
    path::{Path, PathBuf},
};
use tar::{Builder, EntryType, Header};
use zstd::Encoder;

/// Writes a whole, undamaged cache to a new archive; equal caches give equal bytes.
///
/// # Errors
/// [`ExtractError::Exists`] for an archive that is there, the cache's own errors where it is damaged, [`ExtractError::File`].
pub fn pack(cache: &Path, archive: &Path, level: i32, interrupt: &Interrupt) -> Result<(), ExtractError> {
    place::for_file(archive)?;
    refuse_inside(cache, archive)?;
    prepare(archive)?;
    check_whole(cache)?;
    unless_stopped(write(cache, archive, level, interrupt), interrupt, "no archive was written")
}

/// Refuses an archive in the cache that it is of: nothing but the cache belongs there.
fn refuse_inside(cache: &Path, archive: &Path) -> Result<(), ExtractError> {
    let parent = archive.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let (Ok(folder), Ok(cache)) = (parent.canonicalize(), cache.canonicalize()) else { return Ok(()) };
    if !folder.starts_with(cache) {
        return Ok(());
    }
    Err(ExtractError::Malformed {
        path: archive.to_owned(),
        expected: "an archive beside the cache".to_owned(),
        got: "a file in the cache that it is of".to_owned(),
        hint: "give a path outside of the cache".to_owned(),
    })
}

fn write(cache: &Path, archive: &Path, level: i32, interrupt: &Interrupt) -> Result<(), ExtractError> {
    let fail = |source| FileError::io("write", archive, source);
    let mut encoder = Encoder::new(atomic::temporary_beside(archive)?, level).map_err(fail)?;
    encoder.include_checksum(true).map_err(fail)?;
    let mut builder = Builder::new(encoder);
    for name in files_of(cache)? {
        let path = cache.join(&name);
        let file = regular::open(&path).map_err(ExtractError::io("open", &path))?;
        let mut header = Header::new_gnu();
        header.set_size(file.metadata().map_err(ExtractError::io("read", &path))?.len());
        // Owner, mode and time are those of no machine.
        header.set_mode(0o644);
        header.set_mtime(0);
        header.set_entry_type(EntryType::Regular);
        let content = Stoppable { reader: BufReader::new(file), interrupt };
        builder.append_data(&mut header, &name, content).map_err(fail)?;
    }
    let file = builder.into_inner().and_then(Encoder::finish).map_err(fail)?;
    Ok(atomic::persist(file, archive)?)
}

/// The first damage of a cache as an error.
fn check_whole(cache: &Path) -> Result<(), ExtractError> {
    match FeatureCache::verify(cache, |_| ())?.into_iter().next() {
        Some(Damage { error, .. }) => Err(error.into()),
        None => Ok(FeatureCache::open(cache).map(drop)?),
    }
}

/// Names in the archive: everything of the manifest and the views' indices, the manifest last.
fn files_of(cache: &Path) -> Result<Vec<PathBuf>, ExtractError> {
    let open = FeatureCache::open(cache)?;
    let indices = open.manifest().views.keys().map(|&id| index_path(id).into());
    let names: BTreeSet<PathBuf> =
        open.files().into_iter().map(|file| PathBuf::from(&file.file)).chain(indices).collect();
    Ok(names.into_iter().chain([PathBuf::from(MANIFEST_FILE)]).collect())
}
