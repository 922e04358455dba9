//! A cache as one portable file: tar in zstd, the manifest last, every file checked when it is unpacked.

use crate::error::ExtractError;
use shared::{Damage, FeatureCache, IMAGES_FILE, MANIFEST_FILE, ViewId, atomic, interrupt::Interrupt};
use std::{
    collections::BTreeSet,
    fs::File,
    io::{BufReader, Read},
    os::unix::fs::PermissionsExt,
    path::{Component, Path, PathBuf},
};
use tar::{Archive, Builder, EntryType, Header};
use zstd::{Decoder, Encoder};

/// Writes a whole, undamaged cache to a new archive; equal caches give equal bytes.
///
/// # Errors
/// [`ExtractError::Exists`] for an archive that is there, the cache's own errors where it is damaged, [`ExtractError::Io`].
pub fn pack(cache: &Path, archive: &Path, level: i32, interrupt: &Interrupt) -> Result<(), ExtractError> {
    refuse_existing(archive)?;
    check_whole(cache)?;
    let fail = |source| ExtractError::Io { action: "write", path: archive.to_owned(), source };
    let mut encoder = Encoder::new(atomic::temporary_beside(archive)?, level).map_err(fail)?;
    encoder.include_checksum(true).map_err(fail)?;
    let mut builder = Builder::new(encoder);
    for name in files_of(cache)? {
        if interrupt.requested() {
            return Err(ExtractError::Interrupted { state: "no archive was written".to_owned() });
        }
        let path = cache.join(&name);
        let file = File::open(&path).map_err(ExtractError::io("open", &path))?;
        let mut header = Header::new_gnu();
        header.set_size(file.metadata().map_err(ExtractError::io("read", &path))?.len());
        // Owner, mode and time are those of no machine.
        header.set_mode(0o644);
        header.set_mtime(0);
        header.set_entry_type(EntryType::Regular);
        builder.append_data(&mut header, &name, BufReader::new(file)).map_err(fail)?;
    }
    let file = builder.into_inner().and_then(Encoder::finish).map_err(fail)?;
    Ok(atomic::persist(file, archive)?)
}

/// Unpacks an archive into a new folder, which appears only when everything in it has been checked.
///
/// # Errors
/// [`ExtractError::Exists`] for a folder that is there and not empty; [`ExtractError::Malformed`] for an archive that is
/// cut off, damaged, or holds anything but the plain files of a cache; [`ExtractError::Io`].
pub fn unpack(archive: &Path, cache: &Path, interrupt: &Interrupt) -> Result<(), ExtractError> {
    refuse_existing(cache)?;
    let parent = cache.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let malformed = |got: String| ExtractError::Malformed {
        path: archive.to_owned(),
        expected: "an archive of `extractor pack`".to_owned(),
        got,
        hint: "get the archive again, or pack the cache again".to_owned(),
    };
    let file = File::open(archive).map_err(ExtractError::io("open", archive))?;
    std::fs::create_dir_all(parent).map_err(ExtractError::io("create", parent))?;
    let folder = tempfile::Builder::new()
        .prefix(".unpack-")
        .suffix(".tmp")
        .tempdir_in(parent)
        .map_err(ExtractError::io("create a folder in", parent))?;
    let decoder = Decoder::new(file).map_err(|error| malformed(error.to_string()))?;
    let mut tar = Archive::new(decoder);
    let mut seen = BTreeSet::new();
    for entry in tar.entries().map_err(|error| malformed(error.to_string()))? {
        if interrupt.requested() {
            return Err(ExtractError::Interrupted { state: "nothing was unpacked".to_owned() });
        }
        let mut entry = entry.map_err(|error| malformed(error.to_string()))?;
        let name = entry.path().map_err(|error| malformed(error.to_string()))?.into_owned();
        if entry.header().entry_type() != EntryType::Regular {
            return Err(malformed(format!("`{}`, which is no plain file", name.display())));
        }
        if !belongs_to_a_cache(&name) {
            return Err(malformed(format!("`{}`, which belongs to no cache", name.display())));
        }
        if seen.contains(Path::new(MANIFEST_FILE)) || !seen.insert(name.clone()) {
            return Err(malformed(format!("`{}` after the end", name.display())));
        }
        write_entry(&mut entry, &folder.path().join(&name), &malformed)?;
    }
    // tar stops at its own end; zstd's checksum comes after it.
    std::io::copy(&mut tar.into_inner(), &mut std::io::sink())
        .map_err(|error| malformed(error.to_string()))?;
    if !seen.contains(Path::new(MANIFEST_FILE)) {
        return Err(malformed("no manifest at its end".to_owned()));
    }
    check_whole(folder.path()).map_err(|error| match error {
        // The temporary folder's name says nothing to the user.
        ExtractError::Cache(error) => {
            malformed(error.to_string().replace(&format!("{}/", folder.path().display()), ""))
        }
        other => other,
    })?;
    let permissions = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(folder.path(), permissions).map_err(ExtractError::io("write", cache))?;
    std::fs::rename(folder.path(), cache).map_err(ExtractError::io("write", cache))?;
    // Moved away: nothing is left to clean up.
    let _ = folder.keep();
    Ok(())
}

fn write_entry(
    entry: &mut impl Read,
    path: &Path,
    malformed: &impl Fn(String) -> ExtractError,
) -> Result<(), ExtractError> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(ExtractError::io("create", parent))?;
    }
    let mut file = File::create_new(path).map_err(ExtractError::io("create", path))?;
    let mut block = vec![0; 1 << 18];
    loop {
        // Reading fails for a damaged archive, writing for a full disk: different errors.
        let length = entry.read(&mut block).map_err(|error| malformed(error.to_string()))?;
        let Some(content) = block.get(..length).filter(|content| !content.is_empty()) else { break };
        std::io::Write::write_all(&mut file, content).map_err(ExtractError::io("write", path))?;
    }
    file.sync_all().map_err(ExtractError::io("write", path))
}

/// The first damage of a cache as an error.
fn check_whole(cache: &Path) -> Result<(), ExtractError> {
    match FeatureCache::verify(cache, |_| ())?.into_iter().next() {
        Some(Damage { error, .. }) => Err(error.into()),
        None => Ok(FeatureCache::open(cache).map(drop)?),
    }
}

/// Names in the archive: everything of the manifest and the views' index files, the manifest last.
fn files_of(cache: &Path) -> Result<Vec<PathBuf>, ExtractError> {
    let open = FeatureCache::open(cache)?;
    let mut names: BTreeSet<PathBuf> =
        open.files().into_iter().map(|file| PathBuf::from(&file.file)).collect();
    for id in open.manifest().views.keys() {
        let index = Path::new(&id.to_string()).join(INDEX_FILE);
        if cache.join(&index).exists() {
            names.insert(index);
        }
    }
    Ok(names.into_iter().chain([PathBuf::from(MANIFEST_FILE)]).collect())
}

const INDEX_FILE: &str = "features.safetensors.index.json";

/// Whether a name in an archive is one that a cache may hold: `FILE` or `SPLIT.VIEW/FILE`, nothing that leaves the folder.
fn belongs_to_a_cache(name: &Path) -> bool {
    let parts: Option<Vec<&str>> = name
        .components()
        .map(|part| match part {
            Component::Normal(part) => part.to_str(),
            _ => None,
        })
        .collect();
    let is_data = |file: &str| file.ends_with(".safetensors");
    match parts.as_deref() {
        Some([file]) => [MANIFEST_FILE, IMAGES_FILE].contains(file) || is_data(file),
        Some([view, file]) => view.parse::<ViewId>().is_ok() && (*file == INDEX_FILE || is_data(file)),
        _ => false,
    }
}

fn refuse_existing(path: &Path) -> Result<(), ExtractError> {
    let empty_folder = std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
    if path.symlink_metadata().is_ok() && !empty_folder {
        return Err(ExtractError::Exists { path: path.to_owned() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_a_cache_are_unpacked() {
        for name in [
            "manifest.json",
            "stage1_head.safetensors",
            "images.tsv.zst",
            "train.clean/00000.safetensors",
            "test.flipped/features.safetensors.index.json",
        ] {
            assert!(belongs_to_a_cache(Path::new(name)), "{name}");
        }
        for name in [
            "/etc/passwd",
            "../manifest.json",
            "train.clean/../manifest.json",
            "train.clean/x/y.safetensors",
            "run.sh",
            "elsewhere/00000.safetensors",
            "",
        ] {
            assert!(!belongs_to_a_cache(Path::new(name)), "{name}");
        }
    }
}
