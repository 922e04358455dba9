//! What the caches of a RUNS folder were: a copy of each manifest in `RUNS/caches/CACHE_KEY.json`.

use super::error::{RecordError, Warning};
use cache::{Manifest, Split};
use files::{FileError, atomic, regular};
use serde_json::Value;
use std::{collections::BTreeMap, fs, path::Path};

/// The folder of manifests in RUNS.
const FOLDER: &str = "caches";

/// Bytes of a manifest, at most: one of a million shards has fewer.
const LONGEST: u64 = 1 << 28;

/// What a reader needs to know of a feature cache after it is gone.
#[derive(Clone, Debug, PartialEq)]
pub struct CacheSummary {
    manifest: Manifest,
}

impl CacheSummary {
    /// What a manifest says.
    #[cfg(test)]
    pub(crate) fn of(manifest: Manifest) -> Self {
        Self { manifest }
    }

    /// The manifest of the cache.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Training samples of every class, n_k.
    pub fn class_counts(&self) -> &cache::ClassCounts {
        &self.manifest.train_class_counts
    }

    /// Images of the test split; `None` where the manifest names no view of it.
    pub(crate) fn test_images(&self) -> Option<u64> {
        self.manifest.views.iter().find(|(id, _)| id.split == Split::Test).map(|(_, view)| view.rows)
    }

    /// A setting of the stage-1 recipe, such as `loss`; `None` for features that another program made.
    pub fn recipe(&self, name: &str) -> Option<&Value> {
        self.manifest.backbone.recipe.get("stage1")?.get(name)
    }

    /// Loss that the backbone was trained with.
    pub(crate) fn stage1_loss(&self) -> Option<&str> {
        self.recipe("loss").and_then(Value::as_str)
    }

    /// Largest over smallest class count: as asked for, else as counted.
    pub fn imbalance_ratio(&self) -> Option<f64> {
        let counted = Some(self.class_counts().imbalance_ratio()).filter(|ratio| ratio.is_finite());
        self.manifest.dataset.imbalance_ratio.or(counted)
    }

    /// `cifar100, imbalance ratio 100, resnet18 x0.25, stage-1 loss ce`
    pub fn name(&self) -> String {
        let mut parts = vec![self.manifest.dataset.name.clone()];
        parts.extend(self.imbalance_ratio().map(|ratio| format!("imbalance ratio {}", ratio.round())));
        parts.push(self.manifest.backbone.architecture.to_string());
        parts.extend(self.stage1_loss().map(|loss| format!("stage-1 loss {loss}")));
        parts.retain(|part| !part.is_empty());
        parts.join(", ")
    }
}

#[cfg(test)]
impl CacheSummary {
    /// A cache of a data set with these class counts.
    pub(crate) fn testing(dataset: &str, class_counts: Vec<u64>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cache");
        cache::synthetic::SyntheticCache::default().write(&path).unwrap();
        let mut manifest = cache::FeatureCache::open(&path).unwrap().manifest().clone();
        dataset.clone_into(&mut manifest.dataset.name);
        manifest.dataset.imbalance_ratio = None;
        manifest.train_class_counts = cache::ClassCounts::new(class_counts).unwrap();
        Self { manifest }
    }
}

/// Keeps the manifest of a cache beside the records of its runs; once there and readable, it is left as it is.
///
/// # Errors
/// [`RecordError::File`] when it cannot be written.
pub fn keep_manifest(runs: &Path, cache_key: &str, manifest: &Manifest) -> Result<(), RecordError> {
    let folder = runs.join(FOLDER);
    let path = folder.join(format!("{cache_key}.json"));
    if parse(&path, cache_key).is_ok() {
        return Ok(());
    }
    fs::create_dir_all(&folder).map_err(|source| FileError::io("create", &folder, source))?;
    Ok(atomic::write_atomic(&path, manifest.sealed().as_bytes())?)
}

/// The caches that RUNS knows of, by key; a file that cannot be read is a warning, and reports do without it.
pub(super) fn read(runs: &Path, warnings: &mut Vec<Warning>) -> BTreeMap<String, CacheSummary> {
    let mut caches = BTreeMap::new();
    // A record file alone stands in its RUNS folder.
    let folder = if runs.is_dir() { Some(runs) } else { runs.parent() };
    let Some(folder) = folder.map(|folder| folder.join(FOLDER)) else { return caches };
    let Ok(entries) = fs::read_dir(folder) else { return caches };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "json"))
    {
        let key = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        match parse(&path, &key) {
            Ok(manifest) => drop(caches.insert(key, CacheSummary { manifest })),
            Err(reason) => warnings.push(Warning::Cache { path, reason }),
        }
    }
    caches
}

/// A kept manifest. One that was edited would file results under another backbone: older copies have no digest of themselves,
/// but their name is one.
fn parse(path: &Path, cache_key: &str) -> Result<Manifest, String> {
    let bytes = regular::read_at_most(path, LONGEST).map_err(|error| error.to_string())?;
    let manifest = Manifest::from_text(path, &bytes).map_err(|error| error.to_string())?;
    let is_key = cache_key.len() == 64 && cache_key.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_key && manifest.cache_key() != cache_key {
        return Err("its name is the digest of another manifest: it was edited, or stands for another cache"
            .to_owned());
    }
    Ok(manifest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cache::{FeatureCache, synthetic::SyntheticCache};

    #[test]
    fn a_kept_manifest_comes_back_and_a_damaged_one_is_a_warning() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cache");
        SyntheticCache::default().write(&path).unwrap();
        let cache = FeatureCache::open(&path).unwrap();
        let runs = folder.path().join("runs");
        fs::create_dir(&runs).unwrap();
        for _ in 0..2 {
            keep_manifest(&runs, "key", cache.manifest()).unwrap();
        }
        fs::write(runs.join("caches/torn.json"), "{").unwrap();
        fs::create_dir(runs.join("caches/folder.json")).unwrap();
        let mut warnings = Vec::new();
        let caches = read(&runs, &mut warnings);
        assert_eq!(caches.len(), 1);
        assert_eq!(caches["key"].manifest(), cache.manifest());
        assert!(
            matches!(warnings.as_slice(), [Warning::Cache { .. }, Warning::Cache { .. }]),
            "{warnings:?}"
        );
        // The copy of an older program, then edited.
        let mut text = serde_json::to_value(cache.manifest()).unwrap();
        let old = runs.join("caches").join(cache.cache_key() + ".json");
        let known = |text: &Value| {
            fs::write(&old, text.to_string()).unwrap();
            read(&runs, &mut Vec::new()).contains_key(&cache.cache_key())
        };
        assert!(known(&text));
        text["dataset"]["name"] = "another".into();
        assert!(!known(&text));
        keep_manifest(&runs, "torn", cache.manifest()).unwrap();
        assert_eq!(read(&runs, &mut Vec::new())["torn"].manifest(), cache.manifest(), "written anew");
    }
}
