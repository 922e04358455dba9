//! The dump of a folder: begun, or found there.

use super::{CacheWriter, Dump, Folder, PARTIAL_FILE, pretty};
use crate::{
    error::CacheError,
    manifest::Manifest,
    plan::{self, ViewPlan},
};
use files::atomic;
use std::path::Path;

/// How often a folder is looked at again that another process writes to.
const ATTEMPTS: usize = 5;

impl Dump {
    /// Starts a dump with these settings and views, or goes on with one that has the same.
    ///
    /// `manifest` holds the settings; its views, head and time are filled in by the writer.
    ///
    /// # Errors
    /// [`CacheError::OtherDump`] where the folder holds a dump with other settings, [`CacheError::NotEmpty`] where it holds
    /// something else, [`CacheError::File`].
    pub fn begin<'plan>(
        path: &Path,
        manifest: Manifest,
        plans: impl IntoIterator<Item = &'plan ViewPlan>,
    ) -> Result<Self, CacheError> {
        std::fs::create_dir_all(path).map_err(|source| CacheError::io("create", path, source))?;
        let manifest = Manifest { views: plan::announce(plans), ..manifest };
        for _ in 0..ATTEMPTS {
            if let Some(there) = Self::find(path)? {
                there.refuse_other(&manifest)?;
                atomic::remove_leftovers(path)?;
                return Ok(match there {
                    Self::Finished(finished) => {
                        // What a kill leaves between the last two steps.
                        let _ = std::fs::remove_file(path.join(PARTIAL_FILE));
                        Self::Finished(finished)
                    }
                    // The program that began a dump signs it, so that a resumed dump ends with the same bytes.
                    Self::Unfinished(CacheWriter { folder, .. }) => {
                        let manifest = Manifest { program: folder.manifest.program, ..manifest };
                        Self::Unfinished(CacheWriter::of(Folder { path: folder.path, manifest }))
                    }
                });
            }
            let entries = std::fs::read_dir(path).map_err(|source| CacheError::io("read", path, source))?;
            // A kill before the first rename leaves temporary files only.
            let foreign = entries.flatten().any(|entry| !atomic::is_temporary(&entry.file_name()));
            if !foreign && atomic::write_new(&path.join(PARTIAL_FILE), pretty(&manifest).as_bytes())? {
                return Ok(Self::Unfinished(CacheWriter::of(Folder { path: path.to_owned(), manifest })));
            }
            // Something is there: another process may have begun the same dump just now.
        }
        Err(CacheError::NotEmpty { path: path.to_owned() })
    }

    /// The dump that is in a folder, with the views and shards that were announced when it was begun.
    ///
    /// # Errors
    /// [`CacheError::MissingManifest`] where there is none, [`CacheError::UnfinishedDump`] where it announces no views,
    /// [`CacheError::InvalidManifest`], [`CacheError::File`].
    pub fn resume(path: &Path) -> Result<Self, CacheError> {
        match Self::find(path)? {
            None => Err(CacheError::MissingManifest { path: path.to_owned() }),
            // Begun by a version that announced nothing.
            Some(there) if there.manifest().views.is_empty() => {
                Err(CacheError::UnfinishedDump { path: path.to_owned() })
            }
            Some(there) => Ok(there),
        }
    }
}
