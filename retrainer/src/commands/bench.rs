//! `retrainer bench`: how near training is to the matrix products that it cannot do without.

use super::{End, opened, print, resources, say, sweep};
use crate::error::RetrainError;
use clap::Args;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets::UTF8_FULL_CONDENSED};
use engine::{Device, Measured};
use experiment::plan::{CacheShape, Grid, Precision, Resources, SweepPlan, Work};
use files::FileError;
use program::{device::DeviceChoice, process::peak_memory};
use serde::Deserialize;
use std::{
    fmt::Write,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
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
    /// Workers side by side [default: one a core on the CPU, one on a GPU]
    #[arg(long, value_parser = resources::parse_workers())]
    pub workers: Option<usize>,
    /// Samples in a step
    #[arg(long, default_value_t = 64)]
    pub batch_size: usize,
    /// What matrix products read: f32, tf32 (CUDA only) or bf16
    #[arg(long, value_enum, hide_possible_values = true, default_value = "f32")]
    pub precision: Precision,
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
    let (device, why) = engine::resolve_device(args.device)?;
    let precision = sweep::possible(args.precision, device);
    engine::restart_for(precision, device)?;
    let cache = opened::open_cache(&args.cache, false)?;
    say(&format!("device: {} ({why})", torch::device::name(device)));
    let workers = resources::workers(args.workers, device);
    let budget = Duration::try_from_secs_f64(args.seconds).unwrap_or(Duration::from_secs(2));
    let mut measured = Vec::new();
    for &heads in &args.heads {
        let Some(work) = group(&cache, heads.max(1), args.batch_size, precision)? else { continue };
        if let Work::Sgd { key, heads } = work {
            measured.push(engine::measure(&cache, device, workers, key, &heads, budget)?);
            say(&format!("{} heads in a group: measured", heads.len()));
        }
    }
    let shape = CacheShape::of(&cache);
    // A GPU's groups are larger than its caches: a step cannot be faster than its weights come and go.
    let copy_rate = (device != Device::Cpu).then(|| engine::copy_rate(device, budget)).transpose()?;
    let table = table(&measured, shape, args.batch_size, copy_rate);
    print(&format!(
        "N = {}, D = {}, C = {}, batch {}, {workers} workers, {}\n{table}",
        shape.samples,
        shape.dim,
        shape.classes,
        args.batch_size,
        precision.name()
    ))?;
    if let Some(rate) = copy_rate {
        print(&format!(
            "a copy moves {:.0} GB/s; floor: the longer of best products and weight traffic",
            rate / 1e9
        ))?;
    }
    if let Some(memory) = peak_memory() {
        print(&format!("peak memory {:.0} MB, the mapped cache included", memory as f64 / 1e6))?;
    }
    let rate = measured.iter().map(|row| row.training_rate).fold(0.0, f64::max);
    match &args.peer {
        Some(python) => peer(python, args, device, head_epoch(shape) / rate),
        None => Ok(End::Done),
    }
}

/// Floating-point operations in the products of one head and epoch.
fn head_epoch(shape: CacheShape) -> f64 {
    4.0 * shape.samples as f64 * shape.dim as f64 * shape.classes as f64
}

/// A row for each group; `copy_rate` (bytes a second) adds what no step can be faster than.
fn table(measured: &[Measured], shape: CacheShape, batch: usize, copy_rate: Option<f64>) -> Table {
    let best = measured.iter().map(|row| row.matmul_rate).fold(0.0, f64::max);
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    let header = [
        "heads in a group",
        "products GFLOP/s",
        "training GFLOP/s",
        "s/head-epoch",
        "time / products",
        "time / best products",
    ];
    table.set_header(header.into_iter().chain(copy_rate.map(|_| "time / floor")));
    for row in measured {
        let columns = row.heads * shape.classes;
        let step = 4.0 * (batch * shape.dim * columns) as f64; // floating-point operations
        let floor = copy_rate.map(|rate| {
            let floor = (step / best).max(engine::step_bytes(shape.dim, columns) / rate);
            format!("{:.2}", step / row.training_rate / floor)
        });
        let cells = [
            row.heads.to_string(),
            format!("{:.1}", row.matmul_rate / 1e9),
            format!("{:.1}", row.training_rate / 1e9),
            format!("{:.6}", head_epoch(shape) / row.training_rate),
            format!("{:.2}", row.matmul_rate / row.training_rate),
            format!("{:.2}", best / row.training_rate),
        ];
        table.add_row(cells.into_iter().chain(floor));
    }
    for column in table.column_iter_mut() {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// One group of LORT heads, each with its own δ.
fn group(
    cache: &cache::FeatureCache,
    heads: usize,
    batch_size: usize,
    precision: Precision,
) -> Result<Option<Work>, RetrainError> {
    let deltas: Vec<String> =
        (0..heads).map(|head| format!("{:.6}", 0.9 + 0.099 * head as f64 / heads as f64)).collect();
    let text = format!(
        "epochs = 1\nbatch_size = {batch_size}\n[[method]]\nname = \"lort\"\ndelta = [{}]\n",
        deltas.join(", ")
    );
    let grid = Grid::parse("bench", &text)?;
    let resources = Resources { workers: 1, group_bytes: usize::MAX };
    let work = SweepPlan::new(&grid, cache, precision, resources)?.work.into_iter().next();
    Ok(work.map(|work| work.prepare(cache.class_counts())))
}

/// Seconds that PyTorch needs for one head and epoch in one way of doing it, as the script tells.
#[derive(Debug, Deserialize)]
struct PeerRow {
    work: String,
    /// `one-at-a-time`, `side-by-side` or `loader`.
    kind: Option<String>,
    seconds: Option<f64>,
    /// Why it was not measured.
    left_out: Option<String>,
    version: Option<String>,
}

/// Runs the same work in PyTorch and prints it beside `ours`, our fewest seconds for a head and epoch.
fn peer(python: &Path, args: &BenchArgs, device: Device, ours: f64) -> Result<End, RetrainError> {
    let cache = args.cache.display().to_string();
    let mut child = Command::new(python)
        .args(["-c", PEER, "--cache", &cache, "--batch-size", &args.batch_size.to_string()])
        .args(["--device", &torch::device::name(device)])
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|source| FileError::io("run", python, source))?;
    let mut rows: Vec<PeerRow> = Vec::new();
    for line in child.stdout.take().map(BufReader::new).into_iter().flat_map(BufRead::lines) {
        let line = line.map_err(|source| FileError::io("read what is printed by", python, source))?;
        match serde_json::from_str::<PeerRow>(&line) {
            Ok(row) => {
                say(&format!("{}: done", row.work));
                rows.push(row);
            }
            Err(_) => say(&line),
        }
    }
    let status = child.wait().map_err(|source| FileError::io("run", python, source))?;
    print(&peer_table(&rows, ours))?;
    Ok(if status.success() { End::Done } else { End::DoneWithFailures })
}

fn peer_table(rows: &[PeerRow], ours: f64) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["the same work in PyTorch", "s/head-epoch", "over ours"]);
    for row in rows {
        match (row.seconds, &row.left_out) {
            (Some(seconds), _) => {
                table.add_row([
                    row.work.clone(),
                    format!("{seconds:.4}"),
                    format!("{:.1} ×", seconds / ours),
                ]);
            }
            (None, Some(reason)) => {
                table.add_row([format!("{}: left out, {reason}", row.work), "-".to_owned(), "-".to_owned()]);
            }
            (None, None) => {}
        }
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let version = rows.iter().find_map(|row| row.version.as_deref()).unwrap_or("unknown");
    let best = |kind: &str, pick: fn(f64, f64) -> f64| {
        let seconds =
            rows.iter().filter(|row| row.kind.as_deref() == Some(kind)).filter_map(|row| row.seconds);
        seconds.reduce(pick).map(|seconds| seconds / ours)
    };
    let mut text = format!("PyTorch {version}, same run; ours is {ours:.5} s/head-epoch\n{table}");
    if let Some(ratio) = best("one-at-a-time", f64::min) {
        let _ = write!(text, "\n{ratio:.1} × over the best loop of one head at a time");
    }
    if let (Some(least), Some(most)) = (best("loader", f64::min), best("loader", f64::max)) {
        let _ = write!(text, "\n{least:.1} to {most:.1} × over the loops with a DataLoader");
    }
    text
}
