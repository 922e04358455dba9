//! Settings of `synthesise`.

use crate::{ExtractError, cli::SynthesiseArgs, config::program, dump::rows_by_bytes};
use cache::synthetic::{Pattern, SyntheticCache};
use longtail::{LongTailShape, SHAPES, exponential_counts};

/// Class means, C × D numbers, are held in memory: 1 GiB.
const MEANS_LIMIT: u64 = 1 << 28;

/// The cache asked for, in which everything is decided.
///
/// # Errors
/// [`ExtractError::UnknownName`] for the shape; [`ExtractError::InvalidSetting`] for a size that cannot be.
pub fn resolve(args: &SynthesiseArgs) -> Result<SyntheticCache, ExtractError> {
    let shape = args.shape.as_deref().map(named).transpose()?;
    let size = |given: Option<u32>, named: Option<usize>, default| {
        given.map(|n| n as usize).or(named).unwrap_or(default)
    };
    let classes = size(args.classes, shape.map(|shape| shape.classes), 1);
    let dim = size(args.dim, shape.map(|shape| shape.dim), 1);
    check_means(classes, dim)?;
    let class_counts = match (shape, args.max, args.min) {
        (Some(shape), ..) => shape.class_counts(),
        (None, max, min) => profile(classes, max.unwrap_or(1), min.unwrap_or(1))?,
    };
    let shard_rows = rows_by_bytes(dim, args.dtype);
    let cache = SyntheticCache {
        name: shape.map_or_else(|| "synthetic".to_owned(), |shape| format!("synthetic {}", shape.name)),
        class_counts,
        val_per_class: size(args.val_per_class, shape.map(|shape| shape.val_per_class), 0),
        test_per_class: size(args.test_per_class, shape.map(|shape| shape.test_per_class), 20),
        dim,
        flipped: false,
        augmented: 0,
        stage1_head: true,
        dtype: args.dtype,
        seed: args.seed,
        pattern: Pattern::Triangular,
        clean_shard_rows: shard_rows,
        other_shard_rows: shard_rows,
        program: program(),
        ..SyntheticCache::default()
    };
    check_rows(&cache)?;
    Ok(cache)
}

fn named(name: &str) -> Result<LongTailShape, ExtractError> {
    SHAPES.into_iter().find(|shape| shape.name == name).ok_or_else(|| ExtractError::UnknownName {
        kind: "shape",
        name: name.to_owned(),
        known: SHAPES.map(|shape| shape.name.to_owned()).to_vec(),
    })
}

fn profile(classes: usize, max: u32, min: u32) -> Result<Vec<u64>, ExtractError> {
    if min > max {
        return Err(ExtractError::InvalidSetting {
            name: "--min",
            expected: format!("at most `--max` {max}"),
            got: min.to_string(),
            hint: "the largest class comes first".to_owned(),
        });
    }
    Ok(exponential_counts(classes, u64::from(max), u64::from(min)))
}

fn check_means(classes: usize, dim: usize) -> Result<(), ExtractError> {
    let numbers = classes as u64 * dim as u64;
    if numbers > MEANS_LIMIT {
        return Err(ExtractError::InvalidSetting {
            name: "--dim",
            expected: format!("at most {MEANS_LIMIT} numbers in a head of {classes} classes"),
            got: format!("{dim} features, {numbers} numbers"),
            hint: "give fewer classes or features".to_owned(),
        });
    }
    Ok(())
}

/// Rows of a split are numbered in 32 bits everywhere.
fn check_rows(cache: &SyntheticCache) -> Result<(), ExtractError> {
    if cache.rows() > u64::from(u32::MAX) {
        return Err(ExtractError::InvalidSetting {
            name: "--max",
            expected: format!("at most {} samples in all splits", u32::MAX),
            got: cache.rows().to_string(),
            hint: "give fewer classes or samples".to_owned(),
        });
    }
    Ok(())
}
