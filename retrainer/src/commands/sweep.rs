//! `retrainer sweep`: every head of a grid, once.

use super::{
    End, print, record,
    resources::{self, resources},
    say,
};
use crate::error::RetrainError;
use cache::{CacheError, FeatureCache, MANIFEST_FILE, Split, View};
use clap::Args;
use engine::{Device, Sweep, SweepEnd};
use experiment::{
    plan::{Grid, PRESETS, Precision, Preset, SweepPlan, default_grid},
    protocol::{Protocol, Protocols},
    records::{Run, RunStore, RunWriter, Status, keep_manifest},
};
use files::{FileError, content::Content};
use program::{device::DeviceChoice, interrupt::Interrupt, names::nearest, progress::Progress};
use rayon::{ThreadPoolBuilder, prelude::*};
use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    time::Duration,
};

/// Bytes of a grid file, at most: a million values on an axis have fewer.
const LONGEST_GRID: u64 = 64_000_000;

/// Arguments of `retrainer sweep`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  retrainer sweep --cache caches/cifar100-lt --preset table1 --out runs/table1\n  \
    retrainer sweep --cache caches/cifar100-lt --grid my.toml --out runs/mine --dry-run\n\n\
    Run the same command again after a stop: finished heads are kept. Several processes may share one RUNS folder."
)]
pub struct SweepArgs {
    /// The feature cache
    #[arg(long, value_name = "CACHE")]
    pub cache: PathBuf,
    #[command(flatten)]
    pub(crate) source: GridSource,
    /// Folder of run records
    #[arg(long, value_name = "RUNS")]
    pub out: PathBuf,
    /// Seeds in place of the grid's: 0,1,2,3,4
    #[arg(long, value_name = "SEEDS", value_delimiter = ',')]
    pub seeds: Option<Vec<u64>>,
    /// Where to train: auto, cpu, cuda or cuda:i
    #[arg(long, default_value = "auto")]
    pub device: DeviceChoice,
    /// What matrix products read: f32, tf32 (CUDA only) or bf16 [default: the grid's, else f32]
    #[arg(long, value_enum, hide_possible_values = true)]
    pub precision: Option<Precision>,
    /// Protocols to record states for: last, val, val-nll, best-on-test [default: the grid's, else those by accuracy that the cache allows]
    #[arg(long, value_name = "NAMES", value_enum, hide_possible_values = true, value_delimiter = ',')]
    pub protocols: Option<Vec<Protocol>>,
    /// Record the epoch that this score on the validation split chooses, beside the others
    #[arg(long, value_parser = super::select_by(), value_name = "SCORE")]
    pub select_by: Option<Protocol>,
    /// Do the i-th of n parts of the work
    #[arg(long, value_name = "I/N", value_parser = parse_partition)]
    pub partition: Option<(usize, usize)>,
    /// Workers side by side [default: one a core on the CPU, one on a GPU]
    #[arg(long, value_parser = resources::parse_workers())]
    pub workers: Option<usize>,
    /// MB of weights and momentum in a group of heads [default: a quarter of its share of a CPU's last cache; on a GPU what its free memory allows]
    #[arg(long, value_name = "MB")]
    pub group_memory: Option<usize>,
    /// Check every checksum of the cache first
    #[arg(long)]
    pub verify: bool,
    /// Print the plan and the time that it needs at least, and stop
    #[arg(long)]
    pub dry_run: bool,
}

/// Where the grid comes from.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct GridSource {
    /// A grid that comes with the program
    #[arg(long, value_name = "NAME")]
    pub preset: Option<String>,
    /// A grid file
    #[arg(long, value_name = "FILE.toml")]
    pub grid: Option<PathBuf>,
    /// Methods, each over its default grid: lort,balanced-softmax
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub method: Vec<String>,
}

fn parse_partition(text: &str) -> Result<(usize, usize), String> {
    let parts = text.split_once('/').and_then(|(index, of)| Some((index.parse().ok()?, of.parse().ok()?)));
    parts
        .filter(|(index, of)| (1..=*of).contains(index))
        .ok_or_else(|| "expected I/N with 1 ≤ I ≤ N".to_owned())
}

impl GridSource {
    fn read(&self, seeds: Option<&[u64]>) -> Result<Grid, RetrainError> {
        if let Some(path) = &self.grid {
            let text = read_grid(path)?;
            return Ok(Grid::parse_with_seeds(&path.display().to_string(), &text, seeds)?);
        }
        if !self.method.is_empty() {
            // A blank may follow the comma of a list.
            let names: Vec<String> = self.method.iter().map(|name| name.trim().to_owned()).collect();
            return Ok(Grid::parse_with_seeds("default grids", &default_grid(&names), seeds)?);
        }
        let name = self.preset.as_deref().unwrap_or_default();
        let preset: &Preset = PRESETS.iter().find(|preset| preset.name == name).ok_or_else(|| {
            let names = || PRESETS.iter().map(|preset| preset.name);
            RetrainError::UnknownPreset {
                name: name.to_owned(),
                available: names().collect::<Vec<_>>().join(", "),
                suggestion: nearest(name, names()),
            }
        })?;
        Ok(Grid::parse_with_seeds(&format!("preset {name}"), &(preset.text)(), seeds)?)
    }
}

/// The text of a grid file, which may be a pipe; one without end is not waited for.
fn read_grid(path: &Path) -> Result<String, RetrainError> {
    let failed = |source| FileError::io("read", path, source);
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(LONGEST_GRID + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > LONGEST_GRID {
        return Err(RetrainError::LongGrid { path: path.to_owned(), most: LONGEST_GRID / 1_000_000 });
    }
    String::from_utf8(bytes).map_err(|error| RetrainError::GridNoText {
        path: path.to_owned(),
        content: Content::of(error.as_bytes()),
    })
}

/// The grid with what the command line sets over it, in a precision that the device has.
fn grid(args: &SweepArgs, device: Device) -> Result<Grid, RetrainError> {
    let mut grid = args.source.read(args.seeds.as_deref())?;
    let asked = args.precision.unwrap_or(grid.precision);
    grid.precision = possible(asked, device);
    engine::restart_for(grid.precision, device)?;
    if asked != grid.precision {
        say(&format!(
            "note: a CPU has no {}: its products are {}, and recorded so",
            asked.name(),
            grid.precision.name()
        ));
    }
    if let Some(protocols) = &args.protocols {
        grid.protocols = Some(Protocols::of(protocols));
    }
    if grid.duplicates > 0 {
        let times = if grid.duplicates == 1 { "once" } else { "times" };
        say(&format!("note: the grid repeats points ({} {times}); each runs once", grid.duplicates));
    }
    Ok(grid)
}

/// Runs the sweep.
///
/// # Errors
/// [`RetrainError`] when it could not run; heads that were finished before are recorded.
pub fn run(args: &SweepArgs) -> Result<End, RetrainError> {
    // Before the long reading of the cache, so that a stop in it keeps its exit status, too.
    let interrupt = if args.dry_run { Interrupt::never() } else { interrupt()? };
    let (device, why) = engine::resolve_device(args.device)?;
    let mut grid = grid(args, device)?;
    let cache = open_cache(&args.cache, args.verify)?;
    refuse_inside_a_cache(&args.out)?;
    if let Some(protocol) = args.select_by {
        let allowed = || Protocols::allowed(cache.has(Split::Val, View::Clean));
        grid.protocols = Some(grid.protocols.take().unwrap_or_else(allowed).with(protocol));
    }
    say(&format!("device: {} ({why})", torch::device::name(device)));
    let resources = resources(args.workers, args.group_memory, device, &cache);
    let plan = SweepPlan::new(&grid, &cache, grid.precision, resources)?;
    // The plan has its points.
    drop(grid);
    for warning in &plan.warnings {
        say(&format!("warning: {warning}"));
    }
    // The partition comes first: it must not depend on what other processes have finished in the meantime.
    let plan = match args.partition {
        Some((index, of)) => plan.partition(index, of),
        None => plan,
    };
    let (plan, diverged) = without_recorded(plan, &args.out)?;
    if args.dry_run {
        print(&plan.to_string())?;
        if plan.heads() > 0 {
            print(&floor(&plan, device)?)?;
        }
        return Ok(End::Done);
    }
    if diverged > 0 {
        say(&format!("{diverged} recorded heads diverged; the same happens whenever they are trained"));
    }
    let end = if plan.heads() == 0 {
        nothing_to_do(&cache, &plan, &args.out)
    } else {
        // Opened before the long work, so that a bad path fails at once.
        let writer = RunWriter::create(&args.out)?;
        keep_manifest(&args.out, &plan.cache_key, cache.manifest())?;
        say(&plan.to_string());
        sweep(&cache, plan, device, &interrupt, args, writer)?
    };
    Ok(if end == End::Done && diverged > 0 { End::DoneWithFailures } else { end })
}

/// Says so; records of older programs came without the manifest, which is kept now where the folder may be written to.
/// Records never go into a cache, which others map and check; one of its folders is as much of it.
fn refuse_inside_a_cache(out: &Path) -> Result<(), RetrainError> {
    let mut around = out.ancestors().take(3).filter(|folder| !folder.as_os_str().is_empty());
    if around.any(|folder| folder.join(MANIFEST_FILE).is_file()) {
        return Err(RetrainError::InsideCache { path: out.to_owned() });
    }
    Ok(())
}

fn nothing_to_do(cache: &FeatureCache, plan: &SweepPlan, out: &Path) -> End {
    say("nothing to do: every head is recorded");
    if out.is_dir()
        && let Err(error) = keep_manifest(out, &plan.cache_key, cache.manifest())
    {
        say(&format!("warning: the cache's manifest is not kept beside the records: {error}"));
    }
    End::Done
}

/// The plan without the heads that RUNS has, and how many of those diverged.
fn without_recorded(plan: SweepPlan, out: &Path) -> Result<(SweepPlan, usize), RetrainError> {
    if !out.is_dir() {
        return Ok((plan, 0));
    }
    let store = RunStore::open(out)?;
    for warning in store.warnings() {
        say(&format!("warning: {warning}"));
    }
    let protocols = plan.protocols.clone();
    // One that diverged does so again.
    let done = |run: &&Run| run.status == Status::Diverged || protocols.recorded(&run.metrics);
    let recorded = |run_id: &str| store.get(run_id).filter(done);
    let is_diverged = |run_id: &&str| recorded(run_id).is_some_and(|run| run.status == Status::Diverged);
    let diverged = plan.run_ids().filter(is_diverged).count();
    Ok((plan.without(|run_id| recorded(run_id).is_some()), diverged))
}

/// An error where the cache is no longer what it was when it was opened: what was measured on it must not be recorded under
/// its key.
pub(crate) fn check_unchanged(cache: &FeatureCache) -> Result<(), RetrainError> {
    let Some(file) = cache.first_change() else { return Ok(()) };
    Err(RetrainError::CacheChanged { path: cache.path().to_owned(), file: file.to_owned() })
}

/// Catches requests to stop from now on.
pub(crate) fn interrupt() -> Result<Interrupt, RetrainError> {
    Interrupt::install().map_err(|error| RetrainError::Interrupt(Box::new(error)))
}

fn sweep(
    cache: &FeatureCache,
    plan: SweepPlan,
    device: Device,
    interrupt: &Interrupt,
    args: &SweepArgs,
    mut writer: RunWriter,
) -> Result<End, RetrainError> {
    let cache_key = plan.cache_key.clone();
    let mut progress = Progress::new("sweep", plan.head_epochs() as u64);
    let (mut heads, mut diverged) = (0_usize, 0_usize);
    let (tta, precision) = (plan.test_time_augmentation, plan.precision);
    let end = Sweep { cache, plan, device }.run(
        interrupt,
        |head_epochs| progress.advance(head_epochs),
        |fitted| {
            check_unchanged(cache)?;
            for head in fitted {
                heads += 1;
                diverged += usize::from(head.diverged_at.is_some());
                writer.append(&record::of_head(&head, cache, &cache_key, device, tta, precision))?;
            }
            Ok::<(), RetrainError>(())
        },
    );
    progress.finish();
    writer.finish()?;
    let end = end?;
    if diverged > 0 {
        say(&format!("{diverged} of {heads} heads diverged; they are recorded as such"));
    }
    if end == SweepEnd::Interrupted {
        say(&format!(
            "stopped on request: {heads} heads are recorded\nhint: run the same command again to continue"
        ));
        return Ok(End::Stopped);
    }
    // Without it the report would choose by accuracy.
    let by = args.select_by.map_or(String::new(), |by| format!(" --select-by {}", by.val_score().name()));
    say(&format!("{heads} heads recorded; next: retrainer report {}{by}", args.out.display()));
    Ok(if diverged > 0 { End::DoneWithFailures } else { End::Done })
}

/// Opens a cache and checks that every number of it is finite, and the checksums of files that were written to since it was
/// finished; with `verify` every checksum.
pub(crate) fn open_cache(path: &Path, verify: bool) -> Result<FeatureCache, RetrainError> {
    let cache = FeatureCache::open(path)?;
    let damages = if verify { FeatureCache::verify(path, |_| ())? } else { Vec::new() };
    if let Some(damage) = damages.into_iter().next() {
        return Err(damage.error.into());
    }
    if !verify {
        cache.check_written_since()?;
    }
    let views: Vec<_> = Split::ALL
        .into_iter()
        .flat_map(|split| cache.views(split).into_iter().map(move |view| (split, view)))
        .collect();
    let check = |&(split, view): &(Split, View)| cache.view(split, view)?.check_finite();
    // Every byte is read, so on all cores that the system gives; collected in order, so that the same cache always names the
    // same row.
    let checks: Vec<Result<(), CacheError>> = match ThreadPoolBuilder::new().build() {
        Ok(pool) => pool.install(|| views.par_iter().map(check).collect()),
        Err(_) => views.iter().map(check).collect(),
    };
    checks.into_iter().collect::<Result<(), _>>()?;
    for overlap in &cache.manifest().dataset.overlaps {
        say(&format!("warning: {overlap}"));
    }
    Ok(cache)
}

/// The precision that a device has: a CPU's products have no TF32.
pub(crate) fn possible(precision: Precision, device: Device) -> Precision {
    if precision == Precision::Tf32 && device == Device::Cpu { Precision::F32 } else { precision }
}

fn floor(plan: &SweepPlan, device: Device) -> Result<String, RetrainError> {
    if device == Device::Cpu {
        engine::one_thread();
    }
    let heads = plan.resources.heads_per_group(plan.shape);
    let columns = heads * plan.shape.classes;
    let budget = Duration::from_millis(300);
    let rate = engine::matmul_rate(device, 64, plan.shape.dim, columns, plan.precision, budget)?;
    // Workers have a core each, but share a GPU.
    let side_by_side = if device == Device::Cpu { plan.resources.workers } else { 1 };
    Ok(format!(
        "at least  {:.1} s at {:.0} GFLOP/s, measured now on one worker, times {side_by_side} workers",
        plan.flops() / (rate * side_by_side as f64),
        rate / 1e9,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cpu_has_no_tf32() {
        assert_eq!(possible(Precision::Tf32, Device::Cpu), Precision::F32);
        assert_eq!(possible(Precision::Tf32, Device::Cuda(0)), Precision::Tf32);
        assert_eq!(possible(Precision::Bf16, Device::Cpu), Precision::Bf16);
    }
}
