//! `retrainer sweep`: every head of a grid, once.

use super::{
    End,
    grid_source::GridSource,
    opened,
    passes::Passes,
    print,
    resources::{self, resources},
    say, stage1,
};
use crate::error::RetrainError;
use cache::{FeatureCache, Split, View};
use clap::Args;
use engine::Device;
use experiment::{
    methods::Init,
    plan::{Grid, Normalise, PlanError, Precision, SweepPlan},
    protocol::{Protocol, Protocols},
    records::{RecordError, known_numbering, numbering},
};
use program::{
    device::DeviceChoice,
    interrupt::Interrupt,
    partition::{Numbering, Partition, PartitionChoice, Task},
};
use std::{path::PathBuf, time::Duration};

/// Seconds of work that a task of an array should have at least.
const TASK_SECONDS: f64 = 600.0;

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
    /// Where heads start that SGD trains, but for methods that publish their start: stage1, fresh or class-mean [default: the grid's, else stage1]
    #[arg(long, value_enum, hide_possible_values = true, value_name = "START")]
    pub init: Option<Init>,
    /// What features go through before every head: none, l2 (to length 1) or standardise (by the training samples) [default: the grid's, else none]
    #[arg(long, value_enum, hide_possible_values = true, value_name = "HOW")]
    pub normalise: Option<Normalise>,
    /// Where to train: auto, cpu, cuda or cuda:i
    #[arg(long, default_value = "auto")]
    pub device: DeviceChoice,
    /// What matrix products read: f32, tf32 (CUDA only) or bf16 [default: the grid's, else f32]
    #[arg(long, value_enum, hide_possible_values = true)]
    pub precision: Option<Precision>,
    /// Protocols to record states for: last, val, val-nll, val-macro-f1, val-few, best-on-test [default: the grid's, else those by accuracy that the cache allows]
    #[arg(long, value_name = "NAMES", value_enum, hide_possible_values = true, value_delimiter = ',')]
    pub protocols: Option<Vec<Protocol>>,
    /// Record the epoch that this score on the validation split chooses, beside the others
    #[arg(long, value_parser = super::select_by(), value_name = "SCORE")]
    pub select_by: Option<Protocol>,
    /// Let axes grow, at most so many times, while validation chooses an edge of them [default: the grid's, else 0]
    #[arg(long, value_name = "ROUNDS")]
    pub widen: Option<usize>,
    /// Do the i-th of n parts of the work; `auto` takes both numbers from the environment of SLURM, Kubernetes, PBS, Grid Engine, LSF, AWS Batch or a launcher of ranks, `auto/N` one of them
    #[arg(long, value_name = "I/N|auto")]
    pub partition: Option<PartitionChoice>,
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
    grid.normalise = args.normalise.unwrap_or(grid.normalise);
    if let Some(init) = args.init {
        grid = grid.starting_at(init)?;
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
    let mut cache = opened::open_cache(&args.cache, args.verify)?;
    opened::refuse_inside_a_cache(&args.out)?;
    grid = continued(opened::scaled(grid, &cache)?, args, &cache)?;
    if let Some(protocol) = args.select_by {
        let allowed = || Protocols::allowed(cache.has(Split::Val, View::Clean));
        grid.protocols = Some(grid.protocols.take().unwrap_or_else(allowed).with(protocol));
    }
    say(&format!("device: {} ({why})", torch::device::name(device)));
    if args.dry_run {
        stage1::pretend(&mut cache, &grid, &args.out)?;
    } else if !stage1::provide(&mut cache, &grid, &args.out, device, &interrupt)? {
        say("stopped on request: nothing is recorded\nhint: run the same command again to continue");
        return Ok(End::Stopped);
    }
    let part = part(args)?;
    let resources = resources(args.workers, args.group_memory, device, &cache);
    let passes = Passes {
        cache: &cache,
        device,
        interrupt: &interrupt,
        out: &args.out,
        resources,
        part,
        select_by: args.select_by,
    };
    if args.dry_run {
        let plan = passes.plan(&grid)?.left;
        print(&plan.to_string())?;
        if plan.heads() > 0 {
            print(&floor(&plan, device)?)?;
        }
        return Ok(End::Done);
    }
    passes.run(grid)
}

/// The part of this process. RUNS remembers how the work was dealt at first, so that an array that is submitted again for what is
/// left keeps its numbers.
fn part(args: &SweepArgs) -> Result<Partition, RetrainError> {
    let numbered = |own: Numbering| {
        if args.dry_run {
            Ok(known_numbering(&args.out)?.unwrap_or(own))
        } else {
            numbering(&args.out, || own)
        }
    };
    let other = |got: String, known: Numbering| RecordError::OtherDeal {
        got,
        path: args.out.clone(),
        of: known.of.get(),
    };
    match args.partition {
        None => Ok(Partition::WHOLE),
        Some(PartitionChoice::Part(part)) => {
            let known = numbered(Numbering::from_one(part.of()))?;
            if known.of == part.of() { Ok(part) } else { Err(other(part.to_string(), known).into()) }
        }
        Some(PartitionChoice::Auto(of)) => {
            let task = Task::of_environment()?;
            let known = match known_numbering(&args.out)? {
                Some(known) => known,
                None => numbered(task.numbering(of)?)?,
            };
            if let Some(of) = of.filter(|&of| of != known.of) {
                return Err(other(format!("auto/{of}"), known).into());
            }
            let part = task.part(known)?;
            say(&format!(
                "partition: {part}, task {} of {} ({})",
                task.number, task.scheduler, task.variable
            ));
            Ok(part)
        }
    }
}

/// How the grid goes on by validation: not where there is none, and not for a part of the work, which does not see the rest.
fn continued(mut grid: Grid, args: &SweepArgs, cache: &FeatureCache) -> Result<Grid, RetrainError> {
    grid.widen = args.widen.unwrap_or(grid.widen);
    if grid.widen == 0 && grid.finalists.is_none() && grid.soup == 0 {
        return Ok(grid);
    }
    if args.partition.is_some() {
        say(
            "note: nothing is widened in a part of the work, which does not see the rest: give the same command once more without `--partition`",
        );
    } else if cache.has(Split::Val, View::Clean) {
        return Ok(grid);
    } else if args.widen.is_some() {
        return Err(PlanError::MissingSplit { split: Split::Val }.into());
    } else {
        say("note: the cache has no validation split: no axis grows, and there are no finalists");
    }
    Ok(Grid { widen: 0, finalists: None, soup: 0, ..grid })
}

/// Catches requests to stop from now on.
pub(crate) fn interrupt() -> Result<Interrupt, RetrainError> {
    Interrupt::install().map_err(|error| RetrainError::Interrupt(Box::new(error)))
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
    let rate = engine::matmul_rate(device, 64, plan.shape.dim, columns, plan.conditions.precision, budget)?;
    // Workers have a core each, but share a GPU.
    let side_by_side = if device == Device::Cpu { plan.resources.workers } else { 1 };
    let seconds = plan.flops() / (rate * side_by_side as f64);
    Ok(format!(
        "at least  {seconds:.1} s at {:.0} GFLOP/s, measured now on one worker, times {side_by_side} workers\n{}",
        rate / 1e9,
        array(seconds, plan.heads()),
    ))
}

/// How large an array is worth its while: a task's start costs a scheduler seconds.
fn array(seconds: f64, heads: usize) -> String {
    let tasks = (seconds / TASK_SECONDS).floor().min(heads as f64);
    if tasks < 2.0 {
        return "array     not worth one: a task should have ten minutes of work".to_owned();
    }
    format!(
        "array     up to {tasks} tasks of ten minutes each: `--array=0-{}` and `--partition auto`",
        tasks - 1.0
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_array_has_tasks_of_ten_minutes() {
        assert!(array(1199.0, 100).contains("not worth one"));
        assert!(array(6100.0, 100).contains("up to 10 tasks") && array(6100.0, 100).contains("--array=0-9"));
        assert!(array(6100.0, 3).contains("up to 3 tasks"));
    }

    #[test]
    fn a_cpu_has_no_tf32() {
        assert_eq!(possible(Precision::Tf32, Device::Cpu), Precision::F32);
        assert_eq!(possible(Precision::Tf32, Device::Cuda(0)), Precision::Tf32);
        assert_eq!(possible(Precision::Bf16, Device::Cpu), Precision::Bf16);
    }
}
