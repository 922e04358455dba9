//! `retrainer status`: how far the sweeps of a RUNS folder are, and what is left.

use super::{End, grid_source::GridSource, opened, print, stage1};
use crate::error::RetrainError;
use cache::FeatureCache;
use clap::{Args, ValueEnum};
use comfy_table::{CellAlignment, Table, presets::NOTHING};
use experiment::{
    plan::{Resources, SweepPlan},
    records::{Asked, Count, Process, RunStore, Standing, known_numbering},
};
use program::{
    console::say,
    interrupt::Interrupt,
    partition::{MOST_PARTS, Partition},
};
use std::{
    num::NonZeroUsize,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

/// Files of processes that are shown.
const SHOWN: usize = 12;

/// Parts that are shown one by one, whatever is left of them.
const SHOWN_PARTS: usize = 64;

/// How often `--watch` looks for a request to stop.
const TICK: Duration = Duration::from_millis(100);

/// Says how far sweeps are.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  retrainer status runs/table1
  retrainer status runs/table1 --watch
  sbatch --array=$(retrainer status runs/table1 --left) array.sbatch      # what is left of an array

Sweeps keep in RUNS what they were asked for, so that no grid is needed here. Exit status: 0 nothing is missing; 1 heads are
missing or diverged.")]
pub struct StatusArgs {
    /// Folder of run records
    pub runs: PathBuf,
    /// Count the heads of this preset as asked for, too
    #[arg(long, value_name = "NAME", conflicts_with = "grid")]
    pub preset: Option<String>,
    /// Count the heads of this grid file as asked for, too
    #[arg(long, value_name = "FILE.toml")]
    pub grid: Option<PathBuf>,
    /// The cache of such a grid [default: where that of the records was]
    #[arg(long, value_name = "CACHE")]
    pub cache: Option<PathBuf>,
    /// To how many parts the work is to be dealt, where no process has begun with --partition
    #[arg(long, value_name = "N", value_parser = parse_partitions)]
    pub partitions: Option<NonZeroUsize>,
    /// Print only the parts with work left, as `sbatch --array` takes them
    #[arg(long, conflicts_with_all = ["format", "watch"])]
    pub left: bool,
    /// Format of the report
    #[arg(long, value_enum, default_value_t = StatusFormat::Terminal)]
    pub format: StatusFormat,
    /// Print it again every SECONDS until nothing is missing
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "10", value_parser = clap::value_parser!(u64).range(1..))]
    pub watch: Option<u64>,
}

fn parse_partitions(text: &str) -> Result<NonZeroUsize, String> {
    let of = text.parse().ok().filter(|of: &NonZeroUsize| of.get() <= MOST_PARTS);
    of.ok_or_else(|| format!("expected a whole number from 1 to {MOST_PARTS}"))
}

/// How a status is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StatusFormat {
    /// Tables.
    Terminal,
    /// An object.
    Json,
}

/// Prints the status.
///
/// # Errors
/// [`RetrainError`] where RUNS cannot be read.
pub fn run(args: &StatusArgs) -> Result<End, RetrainError> {
    let interrupt = if args.watch.is_some() { super::sweep::interrupt()? } else { Interrupt::never() };
    let more: Vec<Asked> = asked(args)?.into_iter().collect();
    loop {
        let (standing, warnings) = Standing::of(&args.runs, more.clone(), args.partitions)?;
        for warning in warnings {
            say(&format!("warning: {warning}"));
        }
        print(&text(&standing, args))?;
        let open = standing.total.missing > 0;
        match args.watch {
            Some(seconds) if open => {
                if waited(Duration::from_secs(seconds), &interrupt) {
                    return Ok(End::Stopped);
                }
            }
            _ => {
                let failures = open || standing.total.diverged > 0;
                return Ok(if failures { End::DoneWithFailures } else { End::Done });
            }
        }
    }
}

/// The heads of the grid that is named.
fn asked(args: &StatusArgs) -> Result<Option<Asked>, RetrainError> {
    let Some(source) = GridSource::named(args.preset.as_deref(), args.grid.as_deref()) else {
        return Ok(None);
    };
    let store = RunStore::open(&args.runs)?;
    let recorded = || store.runs().first().map(|run| PathBuf::from(&*run.cache));
    let path = args
        .cache
        .clone()
        .or_else(recorded)
        .ok_or_else(|| RetrainError::NoCacheNamed { path: args.runs.clone() })?;
    let mut cache = FeatureCache::open(&path)?;
    let grid = opened::scaled(source.read(None)?, &cache)?;
    stage1::pretend(&mut cache, &grid, &args.runs)?;
    let parts = known_numbering(&args.runs)?.map(|numbering| numbering.of).or(args.partitions);
    let parts = parts.unwrap_or(NonZeroUsize::MIN);
    let part = Partition::new(0, parts).unwrap_or(Partition::WHOLE);
    let resources = Resources { workers: 1, group_bytes: 1 };
    let plan = SweepPlan::part(&grid, &cache, grid.precision, resources, part)?;
    Ok(Some(Asked { cache_key: plan.cache_key, cache: path.display().to_string(), parts, heads: plan.asked }))
}

/// Waits; whether a stop was asked for in the meantime.
fn waited(time: Duration, interrupt: &Interrupt) -> bool {
    let started = Instant::now();
    while started.elapsed() < time && !interrupt.requested() {
        thread::sleep(TICK);
    }
    interrupt.requested()
}

fn text(standing: &Standing, args: &StatusArgs) -> String {
    if args.left {
        return standing.left.clone().unwrap_or_default();
    }
    match args.format {
        StatusFormat::Json => serde_json::json!(standing).to_string(),
        StatusFormat::Terminal => terminal(standing, args),
    }
}

fn terminal(standing: &Standing, args: &StatusArgs) -> String {
    let mut blocks = vec![summary(standing), counts("method", &standing.methods)];
    // Of many parts only those with work left.
    let all = standing.parts.len() <= SHOWN_PARTS;
    let parts: Vec<Count> = standing.parts.iter().filter(|part| all || part.missing > 0).cloned().collect();
    blocks.push(counts("part", &parts));
    blocks.push(processes(&standing.processes));
    match standing.left.as_deref() {
        Some("") if standing.total.missing == 0 => {}
        Some("") => {
            blocks.push("what is missing was asked for without --partition, or with another N".to_owned());
        }
        Some(left) => {
            blocks.push(format!(
                "left: sbatch --array={left} …, each task with `retrainer sweep … --partition auto`"
            ));
        }
        None if standing.total.missing > 0 => {
            blocks.push(format!("the same `retrainer sweep … --out {}` goes on", args.runs.display()));
        }
        None => {}
    }
    blocks.retain(|block| !block.is_empty());
    blocks.join("\n\n")
}

fn summary(standing: &Standing) -> String {
    let total = &standing.total;
    if !standing.is_known {
        return format!(
            "{} heads are recorded, {} of them diverged; what was asked for is not known: these sweeps are of an earlier version",
            total.asked, total.diverged
        );
    }
    format!(
        "{} of {} heads are done, {} diverged, {} are missing",
        total.done, total.asked, total.diverged, total.missing
    )
}

fn counts(kind: &str, counts: &[Count]) -> String {
    let rows = counts.iter().map(|count| {
        let numbers = [count.asked, count.done, count.diverged, count.missing];
        [count.name.clone()].into_iter().chain(numbers.map(|number| number.to_string())).collect()
    });
    table(&[kind, "asked", "done", "diverged", "missing"], rows.collect())
}

fn processes(processes: &[Process]) -> String {
    let row = |process: &Process| vec![process.file.clone(), age(process.age_seconds)];
    let text = table(&["records of a process", "last one"], processes.iter().take(SHOWN).map(row).collect());
    match processes.len().saturating_sub(SHOWN) {
        0 => text,
        older => format!("{text}\nand {older} older files"),
    }
}

fn age(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s ago"),
        120..7200 => format!("{} min ago", seconds / 60),
        7200..172_800 => format!("{} h ago", seconds / 3600),
        _ => format!("{} days ago", seconds / 86_400),
    }
}

fn table(headings: &[&str], rows: Vec<Vec<String>>) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(headings);
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}
