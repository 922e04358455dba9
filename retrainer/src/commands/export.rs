//! `retrainer export`: one run's weights. Runs are not stored: a head costs less to train again than to keep.

use super::{
    End,
    about::{Named, about},
    best_run::best_run,
    opened, report, say, soup, stage1, sweep,
};
use crate::error::RetrainError;
use cache::{
    FeatureCache, Split, View,
    head::{self, Head, HeadForm},
};
use clap::Args;
use engine::{Device, FittedHead, Sweep, SweepEnd, Tested};
use experiment::{
    methods::{Method, Params, Training, Value},
    metrics::TOP1,
    plan::{Grid, Normalise, Point, Precision, Resources, SweepPlan},
    protocol::{HeldOut, Protocol, Protocols, State},
    records::{
        NORMALISE, PRECISION, REVISION, RunRecord, STAGE1_HEAD, Status, TEST_TIME_AUGMENTATION,
        recorded_revision, revision,
    },
    report::ReportError,
};
use files::{Hint, output::Output, text};
use program::{device::DeviceChoice, interrupt::Interrupt, progress::Progress};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Arguments of `retrainer export`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  retrainer export runs/mine --best --out best.safetensors\n  \
    retrainer export runs/table1 --run 3f2a91c0 --out lort.safetensors\n  \
    retrainer evaluate --head lort.safetensors --cache caches/cifar100-lt\n\n\
    In PyTorch: linear.load_state_dict(safetensors.torch.load_file(\"lort.safetensors\"))")]
pub struct ExportArgs {
    /// Folder of run records
    pub runs: PathBuf,
    #[command(flatten)]
    pub(crate) which: Which,
    /// With --best, only this method
    #[arg(long, value_name = "METHOD", requires = "best")]
    pub method: Option<String>,
    /// The safetensors file to write: `weight` `[C, D]` and `bias` `[C]`
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// The cache that it was trained on [default: where the record says]
    #[arg(long, value_name = "CACHE")]
    pub cache: Option<PathBuf>,
    /// Which epoch's weights [default: val where the cache has a validation split, else last]
    #[arg(long, value_enum)]
    pub select: Option<Protocol>,
    /// Take the epoch that this score on the validation split chooses
    #[arg(long, value_parser = super::select_by(), value_name = "SCORE")]
    pub select_by: Option<Protocol>,
    /// Where to train: auto, cpu, cuda or cuda:i
    #[arg(long, default_value = "auto")]
    pub device: DeviceChoice,
}

/// Which run.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Which {
    /// The run's id, or its beginning
    #[arg(long, value_name = "ID")]
    run: Option<String>,
    /// The run that the protocol chooses: the best method and hyper-parameters by their mean over seeds, of them the best seed
    #[arg(long)]
    best: bool,
}

/// Trains the run again, as the sweep does, and writes its weights.
///
/// # Errors
/// [`RetrainError`].
pub fn run(args: &ExportArgs) -> Result<End, RetrainError> {
    opened::refuse_inside_a_cache(&args.out)?;
    let record = {
        let store = report::open(&args.runs)?;
        report::say(&store);
        match &args.which.run {
            Some(id) => store.record(store.find(id)?)?,
            None => store.record(best_run(&store, args.method.as_deref(), args.select)?)?,
        }
    };
    if record.status == Status::Diverged {
        return Err(refuse(&record, "it diverged and has no weights".to_owned(), "choose another run"));
    }
    let interrupt = sweep::interrupt()?;
    // Opened before the long work, so that a bad path fails at once.
    let output = Output::open(Some(&args.out))?;
    if record.method == soup::METHOD {
        return kept_soup(args, &record, output);
    }
    let mut cache = open_cache(args, &record)?;
    restore_stage1(&mut cache, args, &record)?;
    let (point, test_time_augmentation) =
        point(&record).map_err(|reason| refuse(&record, reason, OTHER_VERSION))?;
    let asked = super::asked_protocol(args.select, args.select_by).map_err(ReportError::from)?;
    let protocol = protocol(asked, &point, &cache).ok_or_else(|| {
        let reason = "the cache has no validation split to choose an epoch by".to_owned();
        refuse(&record, reason, "use `--select last`")
    })?;
    let (device, precision) = device(args, &record)?;
    // Only what chooses the epoch is measured after each of them.
    let protocols = Protocols::of(&[protocol]);
    let points = vec![point];
    let normalise = normalise(&record)?;
    let grid =
        Grid { test_time_augmentation, normalise, protocols: Some(protocols), precision, ..Grid::of(points) };
    let resources = Resources { workers: 1, group_bytes: 1 };
    let plan = SweepPlan::new(&grid, &cache, precision, resources)?;
    if plan.run_ids().any(|run_id| run_id != record.run_id) {
        let reason = "this version resolves its parameters to another run".to_owned();
        return Err(refuse(&record, reason, OTHER_VERSION));
    }
    let Some(fitted) = train(&cache, plan, device, &interrupt)? else {
        say("stopped on request: nothing is written");
        return Ok(End::Stopped);
    };
    let state = chosen(&fitted, protocol, &record)?;
    let head = for_raw_features(state.test.head.clone(), &cache, normalise)?;
    let named = Named { run_id: &record.run_id, method: &record.method, params: &record.params };
    let about = about(&head, &named, &cache, test_time_augmentation)?;
    output.write(&head::bytes(&head, &about, &args.out)?)?;
    let top1 = state.test.metrics.values.get(TOP1.all).unwrap_or(f64::NAN);
    say(&format!(
        "{} after epoch {}: top-1 {:.2} % → {}",
        record.method,
        state.epoch,
        100.0 * top1,
        text::path(&args.out)
    ));
    Ok(End::Done)
}

/// Copies the head of a soup, which is kept beside the records.
fn kept_soup(args: &ExportArgs, record: &RunRecord, output: Output) -> Result<End, RetrainError> {
    let folder = if args.runs.is_dir() { &args.runs } else { args.runs.parent().unwrap_or(&args.runs) };
    let path = soup::path(folder, &record.run_id);
    let bytes = fs::read(&path).map_err(|_| {
        let reason = format!("its head is not in `{}`", text::path(&path));
        refuse(record, reason, "give the folder that the sweep wrote, with `soups` in it")
    })?;
    output.write(&bytes)?;
    say(&format!("{} → {}", record.method, text::path(&args.out)));
    Ok(End::Done)
}

/// The state of the run trained again.
fn chosen<'a>(
    fitted: &'a FittedHead,
    protocol: Protocol,
    record: &RunRecord,
) -> Result<&'a State<Tested>, RetrainError> {
    if let Some(epoch) = fitted.diverged_at {
        let reason = format!("it diverged in epoch {epoch}, as it did not when it was recorded");
        let hint = "`extractor verify CACHE` tells whether the features are intact";
        return Err(refuse(record, reason, hint));
    }
    let state = fitted.states.chosen(protocol);
    state.ok_or_else(|| refuse(record, "it gave no weights".to_owned(), OTHER_VERSION))
}

/// The head for features as the cache has them.
fn for_raw_features(head: Head, cache: &FeatureCache, normalise: Normalise) -> Result<Head, RetrainError> {
    let Some(by) = engine::normalisation(cache, normalise)? else { return Ok(head) };
    let head = head.for_raw_features(by);
    if !matches!(head.form, HeadForm::Linear) {
        let how = normalise.name();
        say(&format!("note: {how} cannot go into weight and bias: the file says so by its kind"));
    }
    Ok(head)
}

/// What helps where a record is not of this version.
const OTHER_VERSION: &str = "use the version of the program that recorded it, or sweep it again";

fn refuse(record: &RunRecord, reason: String, hint: &'static str) -> RetrainError {
    RetrainError::NotRepeatable { run_id: record.run_id.clone(), reason, hint }
}

/// The cache that the run was trained on.
fn open_cache(args: &ExportArgs, record: &RunRecord) -> Result<FeatureCache, RetrainError> {
    let recorded = Path::new(&record.cache);
    if args.cache.is_none() && !recorded.exists() {
        return Err(RetrainError::CacheMoved { run_id: record.run_id.clone(), path: recorded.to_owned() });
    }
    let cache = opened::open_cache(args.cache.as_deref().unwrap_or(recorded), false)?;
    if cache.cache_key() != record.cache_key {
        let reason = format!("`{}` holds other features", text::path(cache.path()));
        return Err(refuse(record, reason, "give the cache that it was trained on with `--cache`"));
    }
    Ok(cache)
}

/// What features went through before the head.
fn normalise(record: &RunRecord) -> Result<Normalise, RetrainError> {
    let Some(name) = record.params.get(NORMALISE) else { return Ok(Normalise::None) };
    let known = name.as_str().and_then(Normalise::find);
    known.ok_or_else(|| refuse(record, format!("this version knows no normalisation {name}"), OTHER_VERSION))
}

/// Gives the cache the stage-1 head that the run was made with, where that is not its own.
fn restore_stage1(
    cache: &mut FeatureCache,
    args: &ExportArgs,
    record: &RunRecord,
) -> Result<(), RetrainError> {
    let Some(digest) = record.params.get(STAGE1_HEAD).and_then(serde_json::Value::as_str) else {
        return Ok(());
    };
    if stage1::restore(cache, &args.runs, normalise(record)?, digest)? {
        return Ok(());
    }
    let reason = format!("the stage-1 head `{digest}` that it was made with is not beside the records");
    Err(refuse(record, reason, "give the folder that the sweep wrote, with `stage1_heads` in it"))
}

/// Where to train, in the precision of the record.
fn device(args: &ExportArgs, record: &RunRecord) -> Result<(Device, Precision), RetrainError> {
    let precision = Precision::find(&record.precision).ok_or_else(|| {
        refuse(record, format!("this version knows no precision `{}`", record.precision), OTHER_VERSION)
    })?;
    let (device, why) = engine::resolve_device(args.device)?;
    if sweep::possible(precision, device) != precision {
        let reason = format!("{} needs a CUDA device", precision.name());
        return Err(refuse(record, reason, "export it on a machine that has one"));
    }
    engine::restart_for(precision, device)?;
    say(&format!("device: {} ({why})", torch::device::name(device)));
    Ok((device, precision))
}

/// The protocol that is asked for; `None` where there is nothing to choose by.
fn protocol(asked: Option<Protocol>, point: &Point, cache: &FeatureCache) -> Option<Protocol> {
    let validated = cache.has(Split::Val, View::Clean);
    if point.method.training != Training::Sgd {
        // What is not trained has one state.
        return Some(Protocol::Last);
    }
    let default = if validated { Protocol::Val } else { Protocol::Last };
    let protocol = asked.unwrap_or(default);
    let by_val = protocol.chooser().is_some_and(|chooser| chooser.split == HeldOut::Val);
    (validated || !by_val).then_some(protocol)
}

/// Trains the one head of a plan; `None` where the user asked to stop.
fn train(
    cache: &FeatureCache,
    plan: SweepPlan,
    device: Device,
    interrupt: &Interrupt,
) -> Result<Option<FittedHead>, RetrainError> {
    let mut progress = Progress::new("export", plan.head_epochs() as u64);
    let mut head = None;
    let end = Sweep { cache, plan, device }.run(
        interrupt,
        |head_epochs| progress.advance(head_epochs),
        |fitted| {
            opened::check_unchanged(cache)?;
            head = fitted.into_iter().next();
            Ok::<(), RetrainError>(())
        },
    );
    progress.finish();
    match end? {
        SweepEnd::Complete => Ok(head),
        SweepEnd::Interrupted => Ok(None),
    }
}

/// The grid point of a record.
fn point(record: &RunRecord) -> Result<(Point, bool), String> {
    let method = Method::find(&record.method).map_err(|error| error.to_string())?;
    let (made, now) = (recorded_revision(&record.params), revision(method.name, &record.params));
    if made != now {
        return Err(format!(
            "it was made by revision {made} of `{}`, and this version has revision {now}: sweep the method again",
            method.name
        ));
    }
    let mut test_time_augmentation = false;
    let mut given = Vec::new();
    for (name, value) in record.params.iter() {
        let value = match value {
            serde_json::Value::Bool(flag) if name == TEST_TIME_AUGMENTATION => {
                test_time_augmentation = *flag;
                continue;
            }
            // The record's own field and the file beside the records say them too.
            serde_json::Value::String(_) if [PRECISION, STAGE1_HEAD, NORMALISE].contains(&name) => continue,
            // It follows from the others.
            serde_json::Value::Number(_) if name == REVISION => continue,
            other => Value::recorded(other).ok_or_else(|| format!("`{name}` is {other}"))?,
        };
        given.push((name, value));
    }
    let params = Params::resolve(method, &given).map_err(|error| {
        format!("{error}{}", error.hint().map(|hint| format!(" ({hint})")).unwrap_or_default())
    })?;
    Ok((Point { method, params, seed: record.seed }, test_time_augmentation))
}
