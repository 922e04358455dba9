//! Damaged shards of a finished cache, computed again.

use super::{DumpSettings, Frozen, Partition, manifest, pipeline, views};
use crate::{ExtractError, config::Precision, datasets::Dataset};
use shared::{CacheError, CacheWriter, FileInfo, Manifest, View, interrupt::Interrupt};
use std::path::Path;

/// The settings of the dump that a manifest is of; `batch_size` and `precision` are those of the machine.
///
/// # Errors
/// [`ExtractError::InvalidSetting`] for a cache that no dump wrote.
pub fn settings_of(
    there: &Manifest,
    batch_size: usize,
    precision: Precision,
) -> Result<DumpSettings, ExtractError> {
    if !there.transforms.contains_key("forward") {
        return Err(ExtractError::InvalidSetting {
            name: "--repair",
            expected: "a cache of `extractor dump`".to_owned(),
            got: format!("one of other features (`{}`)", there.dataset.name),
            hint: "make it again as it was made".to_owned(),
        });
    }
    let setting = |step: &str| {
        let mut steps = ["batch_norm", "augmented"].iter().filter_map(|name| there.transforms.get(*name));
        steps.find_map(|steps| number(steps, step))
    };
    let augmented = there.views.keys().filter(|id| matches!(id.view, View::Augmented(_)));
    let shards = there.views.values().flat_map(|view| &view.shards);
    Ok(DumpSettings {
        augmented: u32::try_from(augmented.count()).unwrap_or(u32::MAX),
        seed: setting("seed").unwrap_or(0),
        dtype: there.dtype,
        batch_size,
        // The last shard of a view holds fewer rows, so the largest one is full, or nothing was cut.
        shard_rows: shards.filter_map(|shard| usize::try_from(shard.rows).ok()).max().unwrap_or(1).max(1),
        precision,
        batch_norm: there.batch_norm,
        train_batch_size: setting("batch").and_then(|size| usize::try_from(size).ok()).unwrap_or(1),
        partition: Partition::WHOLE,
    })
}

/// The number of a step, for example 3 of `seed(3)|flip(0.5)`.
fn number(steps: &str, name: &str) -> Option<u64> {
    let argument = |step: &str| step.strip_prefix(name)?.strip_prefix('(')?.strip_suffix(')')?.parse().ok();
    steps.split('|').find_map(argument)
}

/// Computes damaged shards again; each takes its place only where it comes out with the checksum of the manifest.
///
/// # Errors
/// [`ExtractError::InvalidSetting`] where backbone, images or settings are not those of the dump,
/// [`CacheError::OtherBytes`] for the first shard that comes out otherwise, and those of [`super::dump`].
pub fn repair(
    frozen: &Frozen,
    dataset: &Dataset,
    settings: &DumpSettings,
    cache: &Path,
    damaged: Vec<FileInfo>,
    interrupt: &Interrupt,
) -> Result<(), ExtractError> {
    let views = views::plan(dataset, settings);
    let plans = views.iter().map(|view| &view.plan);
    let writer = CacheWriter::repair(cache, manifest(frozen, dataset, settings)?, plans, damaged).map_err(
        |error| match error {
            CacheError::OtherDump { difference, .. } => ExtractError::InvalidSetting {
                name: "--repair",
                expected: "the backbone and images of the dump".to_owned(),
                got: format!("others: {difference}"),
                hint: "give the checkpoint, data and `--precision` of the dump".to_owned(),
            },
            other => other.into(),
        },
    )?;
    pipeline::run(frozen, settings, &writer, &views, interrupt)?;
    Ok(writer.restore_indices()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_steps_are_read() {
        assert_eq!(number("seed(3)|crop(32,pad=4)|flip(0.5)", "seed"), Some(3));
        assert_eq!(number("passes(clean)|shuffle|batch(64)|seed(7)", "batch"), Some(64));
        assert_eq!(number("crop(32,pad=4)", "seed"), None);
    }
}
