//! What a sweep takes of the machine where the user does not say.

use cache::{FeatureCache, Split};
use clap::builder::{RangedU64ValueParser, TypedValueParser};
use engine::Device;
use experiment::plan::Resources;
use std::{fs, thread};

/// Bytes of weights and momentum that a group may have on a CPU that does not tell its caches.
const CPU_GROUP: usize = 2_000_000;

/// The same on a GPU that does not tell its free memory.
const GPU_GROUP: usize = 2_000_000_000;

/// `--workers`: at least one, and not more threads than any machine takes.
pub(super) fn parse_workers() -> impl TypedValueParser<Value = usize> {
    RangedU64ValueParser::<usize>::new().range(1..=4096)
}

/// Workers side by side: one a core on the CPU, one on a GPU.
pub(super) fn workers(asked: Option<usize>, device: Device) -> usize {
    let cores = || thread::available_parallelism().map_or(1, std::num::NonZero::get);
    asked.unwrap_or_else(|| if device == Device::Cpu { cores() } else { 1 })
}

/// Workers, and groups of `group_megabytes` or of a size that suits the device.
pub(super) fn resources(
    asked_workers: Option<usize>,
    group_megabytes: Option<usize>,
    device: Device,
    cache: &FeatureCache,
) -> Resources {
    let workers = workers(asked_workers, device);
    let asked = group_megabytes.map(|megabytes| megabytes.saturating_mul(1_000_000));
    let group_bytes = asked.unwrap_or_else(|| match engine::free_memory(device) {
        _ if device == Device::Cpu => last_cache(workers).map_or(CPU_GROUP, cpu_group),
        Some(free) => gpu_group(free / workers as u64, resident(cache)),
        None => GPU_GROUP / workers,
    });
    Resources { workers, group_bytes }
}

/// Bytes of weights and momentum for a worker with `cache` bytes of the last cache. A quarter of them: twice as much was
/// slower by a tenth to a third on two workers with 8 MB each of a virtual machine's, whose neighbours use the same cache.
fn cpu_group(cache: usize) -> usize {
    (cache / 4).clamp(1_000_000, 4_000_000)
}

/// A worker's share of the last cache in bytes, where the system tells.
fn last_cache(workers: usize) -> Option<usize> {
    let read = |name| fs::read_to_string(format!("/sys/devices/system/cpu/cpu0/cache/index3/{name}")).ok();
    Some(kibibytes(&read("size")?)? / workers.min(cores(&read("shared_cpu_list")?)?).max(1))
}

/// Bytes of `16384K`.
fn kibibytes(text: &str) -> Option<usize> {
    text.trim().strip_suffix('K')?.parse::<usize>().ok()?.checked_mul(1024)
}

/// Number of cores in `0-3,8`.
fn cores(text: &str) -> Option<usize> {
    let part = |part: &str| match part.split_once('-') {
        None => part.parse::<usize>().ok().map(|_| 1),
        Some((first, last)) => Some(last.parse::<usize>().ok()?.checked_sub(first.parse().ok()?)? + 1),
    };
    text.trim().split(',').map(part).sum()
}

/// Bytes of weights and momentum for a GPU with `free` bytes, of which features take `resident`. A group needs five times
/// as much at its end, when weights are chosen and measured; a fifth of the memory is left to others. Larger groups than
/// of 8 GB gain nothing, and a stop loses more.
fn gpu_group(free: u64, resident: u64) -> usize {
    let usable = (free / 5 * 4).saturating_sub(resident) / 5;
    usize::try_from(usable.clamp(50_000_000, 8_000_000_000)).unwrap_or(GPU_GROUP)
}

/// Bytes of all views.
fn resident(cache: &FeatureCache) -> u64 {
    let views = Split::ALL.into_iter().map(|split| cache.views(split).len() * cache.labels(split).len());
    (views.sum::<usize>() * cache.dim() * cache.manifest().dtype.bytes()) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_on_a_gpu_leave_room_for_features_and_for_measuring() {
        // 80 GB with 10 GB of features: (64 − 10)/5, at most 8.
        assert_eq!(gpu_group(80_000_000_000, 10_000_000_000), 8_000_000_000);
        assert_eq!(gpu_group(20_000_000_000, 1_000_000_000), 3_000_000_000);
        assert_eq!(gpu_group(1_000_000_000, 10_000_000_000), 50_000_000);
    }

    #[test]
    fn groups_on_a_cpu_take_a_part_of_its_cache() {
        assert_eq!(cpu_group(8 << 20), 2 << 20);
        assert_eq!((cpu_group(1 << 20), cpu_group(1 << 30)), (1_000_000, 4_000_000));
    }

    #[test]
    fn caches_are_read_as_linux_writes_them() {
        assert_eq!(kibibytes("16384K\n"), Some(16 << 20));
        assert_eq!(kibibytes("16M"), None);
        assert_eq!((cores("0-3,8\n"), cores("5"), cores("0-")), (Some(5), Some(1), None));
        assert_eq!((cores("3-1"), cores("")), (None, None));
    }
}
