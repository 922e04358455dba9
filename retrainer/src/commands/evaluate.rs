//! `retrainer evaluate`: an exported head, or any linear head, on a cache.

use super::{End, print, say, sweep};
use crate::error::RetrainError;
use cache::{FeatureCache, Split, View};
use clap::{Args, ValueEnum};
use engine::Head;
use engine::head_file;
use experiment::metrics::{Evaluation, METRICS, MetricValues, Unit};
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
    let cache = sweep::open_cache(&args.cache, false)?;
    let (head, notes) = head_file::read(&args.head, cache.dim(), cache.class_counts().classes())?;
    for note in &notes {
        say(note);
    }
    let split = match args.split {
        EvaluateSplit::Train => Split::Train,
        EvaluateSplit::Val => Split::Val,
        EvaluateSplit::Test => Split::Test,
    };
    let metrics = measure(&cache, &head, split, !args.no_test_time_augmentation)?;
    sweep::check_unchanged(&cache)?;
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

/// All metrics of a head on a split, in f64: a second opinion on the engine's f32.
fn measure(
    cache: &FeatureCache,
    head: &Head,
    split: Split,
    test_time_augmentation: bool,
) -> Result<MetricValues, RetrainError> {
    let mut views = vec![cache.view(split, View::Clean)?];
    if test_time_augmentation && cache.has(split, View::Flipped) {
        views.push(cache.view(split, View::Flipped)?);
    }
    let labels = cache.labels(split);
    let mut evaluation = Evaluation::new(cache.class_counts());
    let mut features = vec![0.0_f32; head.dim];
    for (row, label) in labels.iter().enumerate() {
        let mut sums = vec![0.0; head.classes];
        for view in &views {
            view.read_rows(row..row + 1, &mut features)?;
            for (sum, logit) in sums.iter_mut().zip(head.logits(&features)) {
                *sum += logit;
            }
        }
        #[expect(clippy::cast_possible_truncation, reason = "metrics take f32 logits")]
        let logits: Vec<f32> = sums.iter().map(|sum| (sum / views.len() as f64) as f32).collect();
        evaluation.update(&logits, std::slice::from_ref(label))?;
    }
    Ok(evaluation.finish().values)
}
