//! Which views a dump writes, and how their rows are cut into shards.

use super::DumpSettings;
use crate::datasets::{Dataset, ImageSet};
use shared::{Dtype, Split, View, ViewId, ViewPlan};

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
