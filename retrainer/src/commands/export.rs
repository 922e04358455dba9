//! `retrainer export`: one run's weights. Runs are not stored: a head costs less to train again than to keep.

use super::{End, say, sweep};
use crate::{
    error::RetrainError,
    head_file,
    methods::{Given, Method, Params},
    plan::{Grid, Point, Precision, Resources, SweepPlan},
    records::{PRECISION, RunRecord, RunStore, TEST_TIME_AUGMENTATION},
    train::{self, Data, StateKind},
};
use clap::{Args, ValueEnum};
use shared::{Hint, device::DeviceChoice, interrupt::Interrupt};
use std::path::PathBuf;

/// Arguments of `retrainer export`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  retrainer export runs/table1 --run 3f2a91c0 --out lort.safetensors\n  \
    retrainer evaluate --head lort.safetensors --cache caches/cifar100-lt\n\n\
    In PyTorch: linear.load_state_dict(safetensors.torch.load_file(\"lort.safetensors\"))")]
pub struct ExportArgs {
    /// Folder of run records
    pub runs: PathBuf,
    /// The run's id, or its beginning
    #[arg(long, value_name = "ID")]
    pub run: String,
    /// The safetensors file to write: `weight` `[C, D]` and `bias` `[C]`
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// The cache that it was trained on [default: where the record says]
    #[arg(long, value_name = "CACHE")]
    pub cache: Option<PathBuf>,
    /// Which epoch's weights [default: val where the cache has a validation split, else last]
    #[arg(long, value_enum)]
    pub select: Option<ExportState>,
    /// Where to train: auto, cpu, cuda or cuda:i
    #[arg(long, default_value = "auto")]
    pub device: DeviceChoice,
}

/// Which epoch's weights are exported.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ExportState {
    /// The last epoch.
    Last,
    /// The epoch that the validation split chose.
    Val,
    /// The epoch that the test split chose (the paper's protocol).
    BestOnTest,
}

/// Trains the run again and writes its weights.
///
/// # Errors
/// [`RetrainError`].
pub fn run(args: &ExportArgs) -> Result<End, RetrainError> {
    let store = RunStore::open(&args.runs)?;
    let record = store.record(store.find(&args.run)?)?;
    let refuse = |reason: String| RetrainError::NotRepeatable { run_id: record.run_id.clone(), reason };
    let cache = sweep::open_cache(args.cache.as_deref().unwrap_or_else(|| record.cache.as_ref()), false)?;
    if cache.cache_key() != record.cache_key {
        return Err(refuse(format!("`{}` holds other features", cache.path().display())));
    }
    let (point, test_time_augmentation) = point(&record).map_err(&refuse)?;
    let precision = Precision::find(&record.precision)
        .ok_or_else(|| refuse(format!("this version knows no precision `{}`", record.precision)))?;
    let (device, why) = train::resolve_device(args.device)?;
    if sweep::possible(precision, device) != precision {
        return Err(refuse(format!("{} needs a CUDA device", precision.name())));
    }
    train::restart_for(precision, device)?;
    say(&format!("device: {} ({why})", sweep::name(device)));
    let grid =
        Grid { points: vec![point], test_time_augmentation, protocols: None, precision, duplicates: 0 };
    let resources = Resources { workers: 1, group_bytes: 1 };
    let plan = SweepPlan::new(&grid, &cache, precision, resources)?;
    let data = Data::new(&cache, device, plan.test_time_augmentation, true)?;
    let Some(work) = plan.work.into_iter().next() else { return Err(refuse("it holds no work".to_owned())) };
    if work.tasks().any(|task| task.run_id != record.run_id) {
        return Err(refuse("this version resolves its parameters to another run".to_owned()));
    }
    let fitted = train::run_work(work, &data, plan.protocols, &Interrupt::never(), &|_| ())?;
    let Some(head) = fitted.into_iter().next() else { return Err(refuse("it gave no head".to_owned())) };
    if let Some(epoch) = head.diverged_at {
        return Err(refuse(format!("it diverged in epoch {epoch}")));
    }
    let kind = match args.select {
        Some(ExportState::BestOnTest) => StateKind::BestOnTest,
        Some(ExportState::Last) => StateKind::Last,
        Some(ExportState::Val) => StateKind::ValSelected,
        None => head.val_selected.as_ref().map_or(StateKind::Last, |_| StateKind::ValSelected),
    };
    // Heads without training have one state, whatever chooses.
    let fallback = head.state(StateKind::Last).filter(|state| state.epoch == 0);
    let Some(state) = head.state(kind).or(fallback) else {
        return Err(refuse("the cache has no validation split to choose an epoch".to_owned()));
    };
    head_file::write(&state.head, &args.out)?;
    let top1 = state.test.values.get("top1.all").unwrap_or(f64::NAN);
    say(&format!(
        "{} after epoch {}: top-1 {:.2} % → {}",
        record.method,
        state.epoch,
        100.0 * top1,
        args.out.display()
    ));
    Ok(End::Done)
}

/// The grid point of a record.
fn point(record: &RunRecord) -> Result<(Point, bool), String> {
    let method = Method::find(&record.method).map_err(|error| error.to_string())?;
    let mut test_time_augmentation = false;
    let mut given = Vec::new();
    for (name, value) in record.params.iter() {
        let value = match value {
            serde_json::Value::Bool(flag) if name == TEST_TIME_AUGMENTATION => {
                test_time_augmentation = *flag;
                continue;
            }
            // The record's own field says it too.
            serde_json::Value::String(_) if name == PRECISION => continue,
            serde_json::Value::Bool(flag) => Given::Flag(*flag),
            serde_json::Value::String(text) if text == "inf" => Given::Number(f64::INFINITY),
            serde_json::Value::String(text) => Given::Text(text.clone()),
            other => Given::Number(other.as_f64().ok_or_else(|| format!("`{name}` is {other}"))?),
        };
        given.push((name, value));
    }
    let params = Params::resolve(method, &given).map_err(|error| {
        format!("{error}{}", error.hint().map(|hint| format!(" ({hint})")).unwrap_or_default())
    })?;
    Ok((Point { method, params, seed: record.seed }, test_time_augmentation))
}
