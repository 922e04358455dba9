//! CPU threads of libtorch: how many, and how they wait for each other.

use program::process::start_again;
use std::{collections::BTreeSet, env, fs, thread};

/// What libgomp reads when it is loaded, before `main`: either decides how long threads spin.
const SPIN_VARIABLES: [&str; 2] = ["GOMP_SPINCOUNT", "OMP_WAIT_POLICY"];

/// Turns of the waiting loop before a thread sleeps; libgomp's own number is 300,000.
const SPINS: &str = "1000";

/// What glibc reads before `main`: how it gets memory from the kernel and gives it back.
///
/// By default each activation of a batch is a map of its own, zeroed page by page when it is made and given back when it is
/// dropped, some hundred times a batch. With these it stays with the process, which holds what it needed at most. Dump of 286
/// photographs by EfficientNet-Lite0 on two cores: 62 s and 14 s of system time without, 6.3 s and 0.7 s with them and batches
/// of 32.
const MALLOC_VARIABLES: [(&str, &str); 3] =
    [("MALLOC_MMAP_MAX_", "0"), ("MALLOC_TRIM_THRESHOLD_", "1099511627776"), ("MALLOC_TOP_PAD_", "67108864")];

/// Fixes the number of CPU threads of libtorch and returns it; by default one for each physical core.
///
/// Images are decoded by as many, where the number was asked for, else by every core.
pub fn set_threads(threads: Option<u32>) -> u32 {
    if let Some(threads) = threads {
        let threads = usize::try_from(threads).unwrap_or(usize::MAX).max(1);
        // A pool that exists already stays.
        let _ = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
    }
    let threads = decide(threads);
    tch::set_num_threads(i32::try_from(threads).unwrap_or(i32::MAX));
    threads
}

/// Starts this program again, in the same process and with the same arguments, with an environment in which its memory stays
/// with it and its threads soon sleep while they wait for each other; does nothing where the environment decides both already,
/// or where it cannot.
///
/// libtorch's parallel loops end at a barrier, hundreds of them in a training step, where libgomp spins. When another
/// program holds one of the cores, the spinning threads keep the last one from running. Only the environment reaches
/// libgomp, and only before it is loaded. Images per second of ResNet-18 × 0.25 with two threads on two cores:
///
/// | | libgomp's own | `GOMP_SPINCOUNT=1000` | `OMP_WAIT_POLICY=passive` | one thread |
/// |---|---|---|---|---|
/// | one core busy | 36, 39 | 263, 226 | 198, 265 | 349, 355 |
/// | both cores free | 404 | 472 | 434 | 343 |
///
/// A program that shares its machine for long is best given fewer threads: `--threads`.
pub fn restart_with_settings(threads: Option<u32>) {
    let variables = missing_variables(decide(threads), |name| env::var_os(name).is_some());
    if variables.is_empty() {
        return;
    }
    // Comes back only when it failed: slow is better than not at all.
    let _ = start_again(variables);
}

/// What the environment lacks; one word of the user about threads or about memory is the last one.
fn missing_variables(threads: u32, is_set: impl Fn(&str) -> bool) -> Vec<(&'static str, &'static str)> {
    let mut missing = Vec::new();
    if threads > 1 && !SPIN_VARIABLES.iter().any(|name| is_set(name)) {
        missing.push((SPIN_VARIABLES[0], SPINS));
    }
    let decided = MALLOC_VARIABLES.iter().any(|(name, _)| is_set(name)) || is_set("GLIBC_TUNABLES");
    // Another allocator, or another C library, has no use for them.
    if cfg!(target_env = "gnu") && !decided && !is_set("LD_PRELOAD") {
        missing.extend(MALLOC_VARIABLES);
    }
    missing
}

/// The number of CPU threads where `threads` were asked for.
pub(crate) fn decide(threads: Option<u32>) -> u32 {
    threads.unwrap_or_else(physical_cores).max(1)
}

/// Physical cores that this process may use: two threads on one core only slow each other down in matrix products.
fn physical_cores() -> u32 {
    let allowed = thread::available_parallelism().map_or(1, usize::from);
    let mut cores = BTreeSet::new();
    for cpu in 0..1024 {
        let siblings = format!("/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list");
        let Ok(siblings) = fs::read_to_string(siblings) else { break };
        cores.insert(siblings);
    }
    let cores = if cores.is_empty() { allowed } else { cores.len().min(allowed) };
    u32::try_from(cores).unwrap_or(1)
}

/// Fixes libtorch's threads for a test whose numbers depend on them; others that fix them wait until the guard is gone.
///
/// Part of libtorch has one number for the whole process, so a test that only set it could be disturbed by another.
#[cfg(test)]
pub(crate) fn fixed(threads: i32) -> std::sync::MutexGuard<'static, ()> {
    static FIXED: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let guard = FIXED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    tch::set_num_threads(threads);
    guard
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_at_least_one_core_and_no_more_than_allowed() {
        let allowed = thread::available_parallelism().map_or(1, usize::from);
        assert!((1..=allowed).contains(&usize::try_from(physical_cores()).unwrap()));
        assert_eq!(decide(Some(3)), 3);
    }

    #[test]
    fn the_restart_sets_what_nobody_set_and_ends() {
        let names = |threads, set: &[&str]| -> Vec<&str> {
            missing_variables(threads, |name| set.contains(&name)).into_iter().map(|(name, _)| name).collect()
        };
        let malloc: Vec<&str> = MALLOC_VARIABLES.iter().map(|(name, _)| *name).collect();
        if cfg!(target_env = "gnu") {
            assert_eq!(names(2, &[]), [&["GOMP_SPINCOUNT"], malloc.as_slice()].concat());
            assert_eq!(names(1, &[]), malloc);
            assert_eq!(names(2, &["OMP_WAIT_POLICY"]), malloc);
        }
        for decided in ["GLIBC_TUNABLES", "LD_PRELOAD", "MALLOC_TOP_PAD_"] {
            assert_eq!(names(2, &[decided]), ["GOMP_SPINCOUNT"]);
        }
        assert!(names(2, &[&["GOMP_SPINCOUNT"], malloc.as_slice()].concat()).is_empty());
    }
}
