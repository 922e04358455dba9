//! What a group of heads holds in memory at once: the plan counts it, the engine keeps to it.

/// Rows of an evaluation that are turned into logits at once, at most.
pub const EVALUATION_ROWS: usize = 1024;

/// Numbers in a matrix of logits, at most: 64 MiB of f32.
const LOGITS_AT_ONCE: usize = 1 << 24;

/// Rows whose logits are in memory at once, for a group with this many columns (heads × classes).
pub fn rows_at_once(columns: usize) -> usize {
    (LOGITS_AT_ONCE / columns.max(1)).max(1)
}

/// Stage-1 logits of the training samples that a worker keeps, at most: 512 MiB of f32. Beyond, they are computed batch by
/// batch.
const LOGITS_KEPT: usize = 1 << 27;

/// Numbers of the stage-1 logits that a worker keeps where it needs them.
pub fn kept_logits(samples: usize, classes: usize) -> usize {
    let all = samples.saturating_mul(classes);
    if all <= LOGITS_KEPT { all } else { 0 }
}
