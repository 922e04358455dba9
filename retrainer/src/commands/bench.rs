//! `retrainer bench`: how near training is to the matrix products that it cannot do without.

use super::{End, print, say, sweep};
use crate::{
    error::RetrainError,
    plan::{CacheShape, Grid, Resources, SweepPlan, Work},
    train,
};
use clap::Args;
use comfy_table::{CellAlignment, Table, presets::UTF8_FULL_CONDENSED};
use shared::{CacheError, device::DeviceChoice};
use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

/// The same work in PyTorch, one head at a time and side by side.
const PEER: &str = include_str!("../../benches/peer.py");

/// Arguments of `retrainer bench`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  retrainer bench --cache caches/cifar100-lt --peer python3")]
pub struct BenchArgs {
    /// The feature cache
    #[arg(long, value_name = "CACHE")]
    pub cache: PathBuf,
    /// Where to train: auto, cpu, cuda or cuda:i
    #[arg(long, default_value = "auto")]
    pub device: DeviceChoice,
    /// Workers side by side on the CPU [default: one a core]
    #[arg(long)]
    pub workers: Option<usize>,
    /// Samples in a step
    #[arg(long, default_value_t = 64)]
    pub batch_size: usize,
    /// Group sizes
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2, 4, 8, 16, 32, 64, 128, 256])]
    pub heads: Vec<usize>,
    /// Seconds for each measurement
    #[arg(long, default_value_t = 2.0)]
    pub seconds: f64,
    /// A Python with PyTorch, to measure the same work there in the same run
    #[arg(long, value_name = "PYTHON")]
    pub peer: Option<PathBuf>,
}

/// Measures and prints.
///
/// # Errors
/// [`RetrainError`].
pub fn run(args: &BenchArgs) -> Result<End, RetrainError> {
    let cache = sweep::open_cache(&args.cache, false)?;
    let (device, why) = train::resolve_device(args.device)?;
    say(&format!("device: {} ({why})", sweep::name(device)));
    let workers = sweep::workers(args.workers, device);
    let budget = Duration::try_from_secs_f64(args.seconds).unwrap_or(Duration::from_secs(2));
    let mut measured = Vec::new();
    for &heads in &args.heads {
        let Some(work) = group(&cache, heads.max(1), args.batch_size)? else { continue };
        if let Work::Sgd { key, heads } = work {
            measured.push(train::measure(&cache, device, workers, key, &heads, budget)?);
            say(&format!("{} heads in a group: measured", heads.len()));
        }
    }
    let best = measured.iter().map(|row| row.matmul_rate).fold(0.0, f64::max);
    let shape = CacheShape::of(&cache);
    let head_epoch = 4.0 * shape.samples as f64 * shape.dim as f64 * shape.classes as f64;
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header([
        "heads in a group",
        "products GFLOP/s",
        "training GFLOP/s",
        "s/head-epoch",
        "time / products",
        "time / best products",
    ]);
    for row in &measured {
        table.add_row([
            row.heads.to_string(),
            format!("{:.1}", row.matmul_rate / 1e9),
            format!("{:.1}", row.training_rate / 1e9),
            format!("{:.5}", head_epoch / row.training_rate),
            format!("{:.2}", row.matmul_rate / row.training_rate),
            format!("{:.2}", best / row.training_rate),
        ]);
    }
    for column in table.column_iter_mut() {
        column.set_cell_alignment(CellAlignment::Right);
    }
    print(&format!(
        "N = {}, D = {}, C = {}, batch {}, {workers} workers, f32\n{table}",
        shape.samples, shape.dim, shape.classes, args.batch_size
    ));
    if let Some(memory) = peak_memory() {
        print(&format!("peak memory {:.0} MB, the mapped cache included", memory as f64 / 1e6));
    }
    match &args.peer {
        Some(python) => peer(python, args),
        None => Ok(End::Done),
    }
}

/// One group of LORT heads, each with its own δ.
fn group(
    cache: &shared::FeatureCache,
    heads: usize,
    batch_size: usize,
) -> Result<Option<Work>, RetrainError> {
    let deltas: Vec<String> =
        (0..heads).map(|head| format!("{:.6}", 0.9 + 0.099 * head as f64 / heads as f64)).collect();
    let text = format!(
        "epochs = 1\nbatch_size = {batch_size}\n[[method]]\nname = \"lort\"\ndelta = [{}]\n",
        deltas.join(", ")
    );
    let grid = Grid::parse("bench", &text)?;
    let resources = Resources { workers: 1, group_bytes: usize::MAX };
    Ok(SweepPlan::new(&grid, cache, sweep::PRECISION, resources)?.work.into_iter().next())
}

/// Runs the same work in PyTorch; its lines go to stdout as they come.
fn peer(python: &Path, args: &BenchArgs) -> Result<End, RetrainError> {
    let cache = args.cache.display().to_string();
    let status = Command::new(python)
        .args(["-c", PEER, "--cache", &cache, "--batch-size", &args.batch_size.to_string()])
        .status()
        .map_err(|source| CacheError::io("run", python, source))?;
    Ok(if status.success() { End::Done } else { End::DoneWithFailures })
}

/// The most memory that this process has held, where the system tells.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}
