//! The sizes of a cache.

use cache::{FeatureCache, Split};

/// The sizes of a cache that decide the cost of a sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheShape {
    /// Training samples N.
    pub samples: usize,
    /// Features D.
    pub dim: usize,
    /// Classes C.
    pub classes: usize,
    /// Validation samples.
    pub val: usize,
    /// Test samples.
    pub test: usize,
}

impl CacheShape {
    /// The sizes of an open cache.
    pub fn of(cache: &FeatureCache) -> Self {
        Self {
            samples: cache.labels(Split::Train).len(),
            dim: cache.dim(),
            classes: cache.class_counts().classes(),
            val: cache.labels(Split::Val).len(),
            test: cache.labels(Split::Test).len(),
        }
    }
}
