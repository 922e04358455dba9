//! Which views a dump writes, and how their rows are cut into shards.

use super::{DumpSettings, Frozen};
use crate::{
    datasets::{Dataset, ImageSet},
    transform::Transform,
};
use cache::{Dtype, Dump, Manifest, Split, View, ViewId, ViewPlan};
use std::path::Path;
use tch::Device;

/// Features of a shard, in bytes, that are not exceeded by default.
const SHARD_BYTES: usize = 256_000_000;

/// Multiply-adds of a shard that are not exceeded by much: two cores take about ten seconds for them, and what a stop loses is
/// the shard that was begun.
const SHARD_WORK: usize = 1_000_000_000_000;

/// Images up to this side are small.
const SMALL_SIDE: usize = 64;

/// Rows of a shard that stays below 256 MB.
pub fn rows_by_bytes(dim: usize, dtype: Dtype) -> usize {
    (SHARD_BYTES / dim.saturating_mul(dtype.bytes()).max(1)).max(1)
}

/// Rows of a shard where nobody said how many: as the dump in `out` has them, where one is there; else bounded by its bytes
/// and by the work that a stop may lose. A function of network and image size alone, whatever the machine.
pub fn rows_per_shard(frozen: &Frozen, dtype: Dtype, out: &Path) -> usize {
    let by_bytes = rows_by_bytes(frozen.backbone.feature_dim(), dtype);
    let rows =
        by_bytes.min(rows_by_work(frozen.backbone.parameters().weight_count(), side(&frozen.transform)));
    match Dump::resume(out).map(|there| rows_there(there.manifest())) {
        Ok((there, true)) => there,
        Ok((there, false)) => rows.max(there),
        Err(_) => rows,
    }
}

/// Rows of the largest shard of a dump, and whether any view was cut into several.
///
/// The last shard of a view holds fewer rows, so the largest one is full, or nothing was cut.
pub(super) fn rows_there(there: &Manifest) -> (usize, bool) {
    let shards = there.views.values().flat_map(|view| &view.shards);
    let largest = shards.filter_map(|shard| usize::try_from(shard.rows).ok()).max().unwrap_or(1).max(1);
    (largest, there.views.values().any(|view| view.shards.len() > 1))
}

/// Rows for [`SHARD_WORK`], from the multiply-adds that a convolutional network of so many weights has: 196 for each weight at
/// 224 × 224 pixels (ResNet-50: 160), 64 at 32 × 32, whose networks halve the size less often (ResNet-34: 55).
fn rows_by_work(weights: usize, side: usize) -> usize {
    // What a module does not tell is taken for a ResNet-50.
    let weights = if weights == 0 { 25_000_000 } else { weights };
    // A batch of 256 is never cut, and a GPU has a few of them of small images, which it takes in a moment.
    let (pixels_per_weight, least) = if side <= SMALL_SIDE { (16, 2048) } else { (256, 256) };
    let work = (side * side / pixels_per_weight).max(1).saturating_mul(weights);
    (SHARD_WORK / work / 256 * 256).clamp(least, 8192)
}

fn side(transform: &Transform) -> usize {
    transform.photo.as_ref().map_or(32, |photo| photo.crop)
}

/// Images of a forward pass where nobody said how many: activations of a few photographs fill a CPU's cache, and each page of
/// them that the kernel has to clear costs time (EfficientNet-B0: 150,000 pages for batches of 16, 280,000 for 32).
pub fn batch_size(device: Device, transform: &Transform) -> usize {
    if device == Device::Cpu && side(transform) > SMALL_SIDE { 16 } else { 256 }
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
            let rows = rows_by_bytes(dim, dtype);
            assert!(rows == 1 || rows * dim * dtype.bytes() <= SHARD_BYTES);
            assert!((rows + 1) * dim * dtype.bytes() > SHARD_BYTES);
        }
    }

    #[test]
    fn slow_networks_get_small_shards() {
        let rows = [
            (25_557_032, 224), // ResNet-50
            (60_192_808, 224), // ResNet-152
            (4_652_008, 224),  // EfficientNet-Lite0
            (0, 224),
            (21_282_122, 32), // ResNet-34 of CIFAR
            (704_000, 32),    // ResNet-18 x0.25
        ]
        .map(|(weights, side)| rows_by_work(weights, side));
        assert_eq!(rows, [256, 256, 1024, 256, 2048, 8192]);
    }

    #[test]
    fn only_photographs_on_a_cpu_come_in_small_batches() {
        assert_eq!(batch_size(Device::Cpu, &Transform::PHOTOGRAPHS), 16);
        assert_eq!(batch_size(Device::Cpu, &Transform::CIFAR), 256);
        assert_eq!(batch_size(Device::Cuda(0), &Transform::PHOTOGRAPHS), 256);
    }
}
