//! Which views a dump writes, and how their rows are cut into shards.

use super::DumpSettings;
use crate::{
    ExtractError,
    datasets::{Dataset, ImageSet},
};
use shared::{CacheWriter, Dtype, Split, View, ViewId, ViewPlan};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

/// Features of a shard, in bytes, that are not exceeded by default.
const SHARD_BYTES: usize = 256_000_000;

/// Rows of a shard that stays below 256 MB.
pub fn rows_per_shard(dim: usize, dtype: Dtype) -> usize {
    (SHARD_BYTES / dim.saturating_mul(dtype.bytes()).max(1)).max(1)
}

/// A view to write and the images that it is made of.
#[derive(Debug)]
pub(super) struct PlannedView<'data> {
    pub(super) plan: ViewPlan,
    pub(super) images: &'data ImageSet,
}

/// The clean view of every split, the flipped views of the splits that are evaluated (test-time augmentation), then the
/// augmented views of the training split.
pub(super) fn plan<'data>(dataset: &'data Dataset, settings: &DumpSettings) -> Vec<PlannedView<'data>> {
    let splits = [
        (Split::Train, Some(&dataset.train)),
        (Split::Val, dataset.val.as_ref()),
        (Split::Test, Some(&dataset.test)),
    ];
    let plain = splits.into_iter().filter_map(|(split, images)| Some((split, images?))).flat_map(
        |(split, images)| {
            let flipped = (split != Split::Train).then_some(View::Flipped);
            std::iter::once(View::Clean).chain(flipped).map(move |view| (ViewId::new(split, view), images))
        },
    );
    let augmented =
        (0..settings.augmented).map(|k| (ViewId::new(Split::Train, View::Augmented(k)), &dataset.train));
    let planned = |(id, images): (ViewId, &'data ImageSet)| PlannedView {
        plan: ViewPlan {
            id,
            labels: images.labels.clone(),
            sample_ids: images.sample_ids.clone(),
            shard_rows: settings.shard_rows,
        },
        images,
    };
    plain.chain(augmented).map(planned).collect()
}

/// Shards of each view: file names for an unfinished cache, and also rows for a finished one.
type Layout = BTreeMap<ViewId, Vec<usize>>;

/// The manifest's settings leave out the number of views and the rows of a shard: they are compared here.
pub(super) fn refuse_other_layout(
    out: &Path,
    writer: &CacheWriter,
    views: &[PlannedView<'_>],
) -> Result<(), ExtractError> {
    let planned: Layout = views
        .iter()
        .map(|view| (view.plan.id, view.plan.shards().iter().map(ExactSizeIterator::len).collect()))
        .collect();
    let differences = if writer.is_finished() {
        finished_differences(writer, &planned)
    } else {
        unfinished_differences(out, &planned)?
    };
    if differences.is_empty() {
        return Ok(());
    }
    Err(ExtractError::OtherSettings { path: out.to_owned(), differences })
}

fn finished_differences(writer: &CacheWriter, planned: &Layout) -> Vec<String> {
    let there = &writer.manifest().views;
    let mut differences = Vec::new();
    let ids: BTreeSet<&ViewId> = there.keys().chain(planned.keys()).collect();
    for id in ids {
        match (there.get(id), planned.get(id)) {
            (Some(view), Some(shards)) => {
                let same =
                    view.shards.iter().map(|shard| shard.rows).eq(shards.iter().map(|&rows| rows as u64));
                if !same {
                    differences.push(format!("`{id}` has shards of other rows there"));
                }
            }
            (Some(_), None) => differences.push(format!("`{id}` is there, and not asked for")),
            (None, _) => differences.push(format!("`{id}` is not there")),
        }
    }
    differences
}

/// Files of the unfinished dump that this one would never write again, and so would leave behind.
fn unfinished_differences(out: &Path, planned: &Layout) -> Result<Vec<String>, ExtractError> {
    let mut differences = Vec::new();
    for entry in std::fs::read_dir(out).map_err(ExtractError::io("read", out))?.flatten() {
        let Ok(id) = entry.file_name().to_string_lossy().parse::<ViewId>() else { continue };
        let Some(shards) = planned.get(&id) else {
            differences.push(format!("`{id}` is there, and not asked for"));
            continue;
        };
        let folder = entry.path();
        let files = std::fs::read_dir(&folder).map_err(ExtractError::io("read", &folder))?.flatten();
        let beyond =
            files.filter_map(|file| file.file_name().to_str()?.strip_suffix(".safetensors")?.parse().ok());
        if beyond.into_iter().any(|index: usize| index >= shards.len()) {
            differences.push(format!("`{id}` has more shards there"));
        }
    }
    differences.sort_unstable();
    Ok(differences)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_shards_stay_below_256_megabytes() {
        for (dim, dtype) in
            [(512, Dtype::F16), (2048, Dtype::F32), (1, Dtype::Bf16), (200_000_000, Dtype::F32)]
        {
            let rows = rows_per_shard(dim, dtype);
            assert!(rows == 1 || rows * dim * dtype.bytes() <= SHARD_BYTES);
            assert!((rows + 1) * dim * dtype.bytes() > SHARD_BYTES);
        }
    }
}
