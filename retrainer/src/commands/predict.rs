//! `retrainer predict`: what an exported head says of features.

use super::{End, opened, say, scores};
use crate::error::RetrainError;
use cache::{
    FeatureFile, Split,
    head::{self, Head},
    head_file::HeadFile,
};
use clap::{Args, ValueEnum};
use files::{
    output::{Output, refuse_inputs},
    text,
};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Arguments of `retrainer predict`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  retrainer predict --head best.safetensors --cache caches/mine --out predictions.csv\n  \
    retrainer predict --head best.safetensors --features new.safetensors --top 5 --out predictions.json\n\n\
    Probabilities are the softmax of the head's own logits; of images: extractor predict"
)]
pub struct PredictArgs {
    /// A head of `retrainer export`, or another safetensors file with `weight` `[C, D]` and optionally `bias` `[C]`
    #[arg(long, value_name = "HEAD")]
    pub head: PathBuf,
    #[command(flatten)]
    source: Source,
    /// The split of the cache
    #[arg(long, value_enum, default_value = "test", conflicts_with = "features")]
    split: super::evaluate::EvaluateSplit,
    /// Labels of each sample, the most probable first
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    top: u32,
    /// Leave out the flipped view [default: as the head was measured, else where there is one]
    #[arg(long)]
    no_test_time_augmentation: bool,
    /// The file to write: .csv, or .json [default: csv on stdout]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Its format: csv or json [default: by the extension of --out, else csv]
    #[arg(long, value_enum, hide_possible_values = true)]
    format: Option<PredictionFormat>,
}

/// The features.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Source {
    /// A safetensors file with `features` `[N, D]`, and optionally `sample_ids` `[N]` (i64) and `features_flipped` `[N, D]`
    #[arg(long, value_name = "FILE")]
    features: Option<PathBuf>,
    /// A feature cache
    #[arg(long, value_name = "CACHE")]
    cache: Option<PathBuf>,
}

/// How predictions are written.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum PredictionFormat {
    /// `id,label,probability`, and `label_2,probability_2` …
    Csv,
    /// A list of objects with `id` and `predictions`.
    Json,
}

/// What is written of a sample: its id, and the classes that come first.
struct Prediction {
    id: i64,
    ranked: Vec<(usize, f64)>,
}

/// Writes predictions.
///
/// # Errors
/// [`RetrainError`].
pub fn run(args: &PredictArgs) -> Result<End, RetrainError> {
    let format = format(args);
    if let Some(out) = &args.out {
        refuse_inputs(out, [&args.head].into_iter().chain(&args.source.features))?;
        opened::refuse_inside_a_cache(out)?;
    }
    let output = Output::open(args.out.as_deref())?;
    let file = HeadFile::read(&args.head)?;
    let augmented =
        !args.no_test_time_augmentation && file.metadata("test_time_augmentation") != Some("false");
    let top = usize::try_from(args.top).unwrap_or(usize::MAX);
    let (predictions, classes) = match (&args.source.cache, &args.source.features) {
        (Some(cache), _) => of_cache(args, cache, augmented, top)?,
        (None, Some(features)) => of_file(args, features, augmented, top)?,
        (None, None) => (Vec::new(), Vec::new()),
    };
    let names = names(&file, classes)?;
    output.write(
        match format {
            PredictionFormat::Csv => csv(&predictions, &names, top.min(names.len()))?,
            PredictionFormat::Json => json(&predictions, &names),
        }
        .as_bytes(),
    )?;
    if let Some(path) = &args.out {
        say(&format!("{} samples → {}", predictions.len(), text::path(path)));
    }
    Ok(End::Done)
}

fn format(args: &PredictArgs) -> PredictionFormat {
    let is_json = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "json");
    let by_name =
        if args.out.as_ref().is_some_and(is_json) { PredictionFormat::Json } else { PredictionFormat::Csv };
    args.format.unwrap_or(by_name)
}

/// Names of the classes: those that the head carries, else those of the cache, else numbers.
fn names(file: &HeadFile, otherwise: Vec<String>) -> Result<Vec<String>, RetrainError> {
    let Some(written) = file.metadata("class_names") else { return Ok(otherwise) };
    match serde_json::from_str::<Vec<String>>(written) {
        Ok(names) if names.len() == otherwise.len() => Ok(names),
        Ok(names) => {
            Err(file.malformed(&format!("{} class names", otherwise.len()), names.len().to_string()).into())
        }
        Err(error) => Err(file.malformed("class names as a list of JSON", error.to_string()).into()),
    }
}

/// Predictions on a split, and the cache's class names.
fn of_cache(
    args: &PredictArgs,
    path: &Path,
    augmented: bool,
    top: usize,
) -> Result<(Vec<Prediction>, Vec<String>), RetrainError> {
    let cache = opened::open_cache(path, false)?;
    let head = read(&args.head, cache.dim(), Some(cache.class_counts().classes()))?;
    let split: Split = args.split.into();
    let ids = cache.sample_ids(split);
    let mut predictions = Vec::with_capacity(ids.len());
    scores::each_row(&head, &scores::views(&cache, split, augmented)?, |row, logits| {
        predictions.push(prediction(ids.get(row).copied().unwrap_or_default(), logits, top));
        Ok(())
    })?;
    opened::check_unchanged(&cache)?;
    Ok((predictions, cache.manifest().class_names.clone()))
}

fn prediction(id: i64, logits: &[f32], top: usize) -> Prediction {
    let mut ranked = scores::ranked(logits);
    ranked.truncate(top);
    Prediction { id, ranked }
}

fn read(path: &Path, dim: usize, classes: Option<usize>) -> Result<Head, RetrainError> {
    let (head, notes) = head::read(path, dim, classes)?;
    for note in &notes {
        say(note);
    }
    Ok(head)
}

/// Predictions on a file of features, and numbers for class names.
fn of_file(
    args: &PredictArgs,
    path: &Path,
    augmented: bool,
    top: usize,
) -> Result<(Vec<Prediction>, Vec<String>), RetrainError> {
    let FeatureFile { dim, mut views, ids } = FeatureFile::read(path)?;
    views.truncate(if augmented { views.len() } else { 1 });
    let head = read(&args.head, dim, None)?;
    let predict = |(row, id): (usize, i64)| {
        let mut sums = vec![0.0; head.classes];
        for view in &views {
            let features = view.get(row * dim..(row + 1) * dim).unwrap_or_default();
            sums.iter_mut().zip(head.logits(features)).for_each(|(sum, logit)| *sum += logit);
        }
        prediction(id, &scores::mean(&sums, views.len()), top)
    };
    let numbered = (0..head.classes).map(|class| class.to_string()).collect();
    Ok((ids.into_iter().enumerate().map(predict).collect(), numbered))
}

fn csv(predictions: &[Prediction], names: &[String], top: usize) -> Result<String, RetrainError> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let nth = |part: &str, place: usize| if place == 1 { part.to_owned() } else { format!("{part}_{place}") };
    let columns = (1..=top).flat_map(|place| [nth("label", place), nth("probability", place)]);
    writer.write_record(std::iter::once("id".to_owned()).chain(columns))?;
    for Prediction { id, ranked } in predictions {
        let cells = ranked.iter().flat_map(|&(class, probability)| {
            [names.get(class).cloned().unwrap_or_default(), format!("{probability:.6}")]
        });
        writer.write_record(std::iter::once(id.to_string()).chain(cells))?;
    }
    let bytes = writer.into_inner().map_err(|error| csv::Error::from(error.into_error()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn json(predictions: &[Prediction], names: &[String]) -> String {
    let one = |&(class, probability): &(usize, f64)| json!({ "label": names.get(class), "probability": probability });
    let sample = |Prediction { id, ranked }: &Prediction| json!({ "id": id, "predictions": ranked.iter().map(one).collect::<Vec<_>>() });
    let samples: Vec<_> = predictions.iter().map(sample).collect();
    format!("{:#}\n", serde_json::Value::Array(samples))
}
