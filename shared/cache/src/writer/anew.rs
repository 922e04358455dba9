//! A dump in the place of an unfinished one with other settings.

use super::{CacheWriter, Dump, Folder, IMAGES_FILE, PARTIAL_FILE, STATISTICS_FILE, pretty};
use crate::{
    error::CacheError,
    index::index_path,
    manifest::Manifest,
    plan::{self, ViewPlan},
    stage1_head::HEAD_FILE,
};
use files::atomic;
use std::{io::ErrorKind, path::Path};

impl Dump {
    /// Starts a dump in the place of an unfinished one with other settings, whose files are removed; other files stay.
    ///
    /// # Errors
    /// As [`Dump::resume`]; [`CacheError::OtherDump`] for a finished cache.
    pub fn begin_anew<'plan>(
        path: &Path,
        manifest: Manifest,
        plans: impl IntoIterator<Item = &'plan ViewPlan>,
    ) -> Result<CacheWriter, CacheError> {
        let there = match Self::resume(path)? {
            Self::Unfinished(writer) => writer.folder,
            Self::Finished(_) => {
                let difference = "it is finished".to_owned();
                return Err(CacheError::OtherDump { path: path.to_owned(), difference });
            }
        };
        there.remove_files()?;
        let manifest = Manifest { views: plan::announce(plans), ..manifest };
        atomic::write_atomic(&path.join(PARTIAL_FILE), pretty(&manifest).as_bytes())?;
        Ok(CacheWriter::of(Folder { manifest, ..there }))
    }
}

impl Folder {
    /// Removes the files that were announced; not the settings, so that what a kill leaves is an unfinished dump still.
    fn remove_files(&self) -> Result<(), CacheError> {
        let views = &self.manifest.views;
        let shards = views.values().flat_map(|view| &view.shards).map(|shard| shard.file.file.clone());
        let indices = views.keys().map(|&id| index_path(id));
        for file in shards.chain(indices).chain([HEAD_FILE, STATISTICS_FILE, IMAGES_FILE].map(str::to_owned))
        {
            let file = self.path.join(file);
            match std::fs::remove_file(&file) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(CacheError::io("remove", &file, error));
                }
                _ => {}
            }
        }
        for folder in views.keys().map(|id| self.path.join(id.to_string())).filter(|folder| folder.is_dir()) {
            atomic::remove_leftovers(&folder)?;
            // A folder with files of somebody else stays.
            let _ = std::fs::remove_dir(&folder);
        }
        Ok(())
    }
}
