//! `retrainer evaluate`: an exported head, or any linear head, on a cache.

use super::{End, opened, print, say, scores};
use crate::error::RetrainError;
use cache::{
    FeatureCache, Split,
    head::{self, Head},
};
use clap::{Args, ValueEnum};
use engine::TrainError;
use experiment::metrics::{Evaluation, METRICS, MetricValues, Metrics, Unit};
use std::path::PathBuf;

/// Arguments of `retrainer evaluate`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  retrainer evaluate --head lort.safetensors --cache caches/cifar100-lt")]
pub struct EvaluateArgs {
    /// A safetensors file with `weight` `[C, D]` and optionally `bias` `[C]`; names such as `fc.weight` and a transposed weight are read too
    #[arg(long, value_name = "FILE")]
    pub head: PathBuf,
    /// The feature cache
    #[arg(long, value_name = "CACHE")]
    pub cache: PathBuf,
    /// The split
    #[arg(long, value_enum, default_value = "test")]
    pub split: EvaluateSplit,
    /// Leave out the flipped view
    #[arg(long)]
    pub no_test_time_augmentation: bool,
    /// How to print
    #[arg(long, value_enum, default_value = "table")]
    pub format: EvaluateFormat,
}

/// The split to measure on.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum EvaluateSplit {
    /// Training samples.
    Train,
    /// Validation samples.
    Val,
    /// Test samples.
    Test,
}

impl From<EvaluateSplit> for Split {
    fn from(split: EvaluateSplit) -> Self {
        match split {
            EvaluateSplit::Train => Self::Train,
            EvaluateSplit::Val => Self::Val,
            EvaluateSplit::Test => Self::Test,
        }
    }
}

/// How metrics are printed.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum EvaluateFormat {
    /// A line a metric.
    Table,
    /// One object.
    Json,
}

/// Measures a head.
///
/// # Errors
/// [`RetrainError`].
pub fn run(args: &EvaluateArgs) -> Result<End, RetrainError> {
    let cache = opened::open_cache(&args.cache, false)?;
    let (head, notes) = head::read(&args.head, cache.dim(), Some(cache.class_counts().classes()))?;
    for note in &notes {
        say(note);
    }
    let metrics = measure(&cache, &head, args.split.into(), !args.no_test_time_augmentation)?;
    opened::check_unchanged(&cache)?;
    match args.format {
        EvaluateFormat::Json => {
            let values: serde_json::Map<_, _> =
                metrics.iter().map(|(metric, value)| (metric.name.into(), value.into())).collect();
            print(&format!("{:#}", serde_json::Value::Object(values)))?;
        }
        EvaluateFormat::Table => {
            for &metric in METRICS {
                let text = match (metrics.get(metric), metric.unit) {
                    (None, _) => "-".to_owned(),
                    (Some(value), Unit::Fraction) => format!("{:.2} %", 100.0 * value),
                    (Some(value), _) => format!("{value:.4}"),
                };
                print(&format!("{:<28} {text:>12}", metric.name))?;
            }
        }
    }
    Ok(End::Done)
}

/// All metrics of a head on a split.
pub(super) fn measure(
    cache: &FeatureCache,
    head: &Head,
    split: Split,
    test_time_augmentation: bool,
) -> Result<MetricValues, RetrainError> {
    Ok(evaluation(cache, head, split, test_time_augmentation)?.finish().values)
}

/// The same with what a record keeps of them: weight norms, per-class numbers, and which samples are right.
pub(super) fn metrics(
    cache: &FeatureCache,
    head: &Head,
    split: Split,
    test_time_augmentation: bool,
) -> Result<Metrics, RetrainError> {
    let mut evaluation = evaluation(cache, head, split, test_time_augmentation)?;
    evaluation.set_weight_norms(&head.norms())?;
    let mut metrics = evaluation.finish();
    let hits = evaluation.hits(cache.labels(split)).map(|hits| hits.pack()).transpose();
    metrics.per_class.hits = hits.map_err(|error| TrainError::Worker(error.to_string()))?;
    Ok(metrics)
}

fn evaluation(
    cache: &FeatureCache,
    head: &Head,
    split: Split,
    test_time_augmentation: bool,
) -> Result<Evaluation, RetrainError> {
    let labels = cache.labels(split);
    let mut evaluation = Evaluation::new(cache.class_counts());
    scores::each_row(head, &scores::views(cache, split, test_time_augmentation)?, |row, logits| {
        Ok(evaluation.update(logits, labels.get(row..=row).unwrap_or_default())?)
    })?;
    Ok(evaluation)
}
