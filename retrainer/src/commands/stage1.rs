//! The stage-1 head of a cache that has none: a plain cross-entropy head on its features, trained once for all processes and
//! kept beside the records that were made with it.

use super::{opened, resources, say};
use crate::error::RetrainError;
use cache::{FeatureCache, HeadKind, Split, Stage1Head, View, head::Head};
use engine::{Device, FittedHead, Sweep, SweepEnd};
use experiment::{
    plan::{Grid, Normalise, Precision, Resources, SweepPlan, needs_stage1},
    protocol::{Protocol, Protocols, Score},
    records::STAGE1_DIGITS,
};
use files::{FileError, FolderLock, text};
use program::{interrupt::Interrupt, progress::Progress};
use std::{
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

/// The folder of such heads in RUNS.
const FOLDER: &str = "stage1_heads";

/// How the head is trained: learning rates for features of mean squared length 1; rate and epoch are chosen on validation.
const RECIPE: &str = "relative = true\nepochs = 30\n[[method]]\nname = \"ce\"\ninit = \"fresh\"\nlr = [0.1, 0.3, 1, 3, 10, 30]\n";

/// The same where there is nothing to choose by.
const RECIPE_UNCHOSEN: &str =
    "relative = true\nepochs = 30\n[[method]]\nname = \"ce\"\ninit = \"fresh\"\nlr = 1\n";

/// How long another process that trains the head is left alone before it is asked again.
const PATIENCE: Duration = Duration::from_millis(200);

/// Gives the cache a stage-1 head where it has none and the grid needs one; `false` where the user asked to stop meanwhile.
///
/// # Errors
/// [`RetrainError`] when it cannot be read, trained or kept.
pub(super) fn provide(
    cache: &mut FeatureCache,
    grid: &Grid,
    out: &Path,
    device: Device,
    interrupt: &Interrupt,
) -> Result<bool, RetrainError> {
    if has_own(cache, grid.normalise) || !is_needed(cache, grid) {
        return Ok(true);
    }
    let path = path(out, &cache.cache_key(), grid.normalise);
    loop {
        if interrupt.requested() {
            return Ok(false);
        }
        if path.exists() {
            adopt(cache, &path)?;
            say(&format!(
                "stage-1 head: {}; the plain CE head kept in `{}` stands in",
                reason(grid.normalise),
                text::path(&path)
            ));
            return Ok(true);
        }
        match FolderLock::alone(path.parent().unwrap_or(out)) {
            // Another process may have been faster.
            Ok(_) if path.exists() => {}
            Ok(_lock) => return train(cache, grid, &path, device, interrupt),
            Err(FileError::InUse { .. }) => thread::sleep(PATIENCE),
            Err(error) => return Err(error.into()),
        }
    }
}

/// For a plan that is only shown: the kept head, or one of zeros where it is not trained yet.
pub(super) fn pretend(cache: &mut FeatureCache, grid: &Grid, out: &Path) -> Result<(), RetrainError> {
    if has_own(cache, grid.normalise) || !is_needed(cache, grid) {
        return Ok(());
    }
    let path = path(out, &cache.cache_key(), grid.normalise);
    if path.exists() {
        return adopt(cache, &path);
    }
    let reason = reason(grid.normalise);
    say(&format!("stage-1 head: {reason}; a plain CE head on the features will be trained first"));
    let (classes, dim) = (cache.class_counts().classes(), cache.dim());
    let zeros = Stage1Head {
        classes,
        dim,
        weight: vec![0.0; classes * dim],
        bias: vec![0.0; classes],
        kind: HeadKind::Linear,
    };
    cache.adopt_head(zeros, String::new());
    Ok(())
}

/// Gives the cache the head that a record names, kept beside the records; `false` where it is another one or none.
pub(super) fn restore(
    cache: &mut FeatureCache,
    runs: &Path,
    normalise: Normalise,
    digest: &str,
) -> Result<bool, RetrainError> {
    let folder = if runs.is_dir() { runs } else { runs.parent().unwrap_or(runs) };
    let path = path(folder, &cache.cache_key(), normalise);
    if path.exists() {
        adopt(cache, &path)?;
    }
    Ok(cache.adopted_head().and_then(|own| own.get(..STAGE1_DIGITS)) == Some(digest))
}

/// Whether the cache's own head reads the features as the sweep's heads do.
fn has_own(cache: &FeatureCache, normalise: Normalise) -> bool {
    cache.stage1_head().is_some() && normalise == Normalise::None
}

fn path(out: &Path, cache_key: &str, normalise: Normalise) -> PathBuf {
    let how = match normalise {
        Normalise::None => String::new(),
        Normalise::L2 | Normalise::Standardise => format!(".{}", normalise.name()),
    };
    out.join(FOLDER).join(format!("{cache_key}{how}.safetensors"))
}

/// Why a head is trained.
fn reason(normalise: Normalise) -> &'static str {
    match normalise {
        Normalise::None => "the cache has none",
        Normalise::L2 | Normalise::Standardise => "features are normalised",
    }
}

fn is_needed(cache: &FeatureCache, grid: &Grid) -> bool {
    grid.points.iter().any(|point| needs_stage1(point, &point.params.build(cache.class_counts())))
}

fn adopt(cache: &mut FeatureCache, path: &Path) -> Result<(), RetrainError> {
    let (head, _) = Stage1Head::read(path, cache.dim(), Some(cache.class_counts().classes()))?;
    let digest = head.digest()?;
    cache.adopt_head(head, digest);
    Ok(())
}

/// Trains the head, keeps it whole or not at all, and adopts it.
fn train(
    cache: &mut FeatureCache,
    wanted: &Grid,
    path: &Path,
    device: Device,
    interrupt: &Interrupt,
) -> Result<bool, RetrainError> {
    let validated = cache.has(Split::Val, View::Clean);
    let (recipe, protocol) =
        if validated { (RECIPE, Protocol::Val) } else { (RECIPE_UNCHOSEN, Protocol::Last) };
    let mut grid = Grid::parse("stage-1 head", recipe)?;
    grid.normalise = wanted.normalise;
    grid = opened::scaled(grid, cache)?;
    grid.test_time_augmentation = wanted.test_time_augmentation;
    grid.protocols = Some(Protocols::of(&[protocol]));
    let workers = resources::workers(None, device);
    let plan = SweepPlan::new(&grid, cache, Precision::F32, Resources { workers, group_bytes: 1 })?;
    let mut progress = Progress::new("stage-1 head", plan.head_epochs() as u64);
    let mut heads = Vec::new();
    let end = Sweep { cache, plan, device }.run(
        interrupt,
        |head_epochs| progress.advance(head_epochs),
        |fitted| {
            opened::check_unchanged(cache)?;
            heads.extend(fitted);
            Ok::<(), RetrainError>(())
        },
    );
    progress.finish();
    if end? == SweepEnd::Interrupted {
        return Ok(false);
    }
    let Some(best) = best(&grid, heads, protocol) else { return Err(RetrainError::NoStage1Head) };
    let Head { classes, dim, weight, bias, .. } = best.head;
    Stage1Head { classes, dim, weight, bias, kind: HeadKind::Linear }.write(path)?;
    adopt(cache, path)?;
    let chosen = match best.val {
        Some(val) => format!("chosen on validation: {:.2} %", 100.0 * val),
        None => "the cache has no validation split to choose by".to_owned(),
    };
    say(&format!(
        "stage-1 head: {}; a plain CE head was trained on the features (lr {}, epoch {}; {chosen}) and kept in `{}`",
        reason(wanted.normalise),
        experiment::methods::number(best.lr),
        best.epoch,
        text::path(path)
    ));
    Ok(true)
}

/// The head that validation chose.
struct Best {
    head: Head,
    lr: f64,
    epoch: u32,
    val: Option<f64>,
}

/// The head of the best validation accuracy, the first in the grid's order among equals, whatever order they were done in.
fn best(grid: &Grid, mut heads: Vec<FittedHead>, protocol: Protocol) -> Option<Best> {
    heads.sort_by_key(|head| grid.points.iter().position(|point| *point == head.task.point));
    let state = |head: FittedHead| {
        let lr = head.task.point.params.sgd()?.lr;
        let (_, state) = head.states.into_iter().find(|(own, _)| *own == protocol)?;
        Some(Best { head: state.test.head, lr, epoch: state.epoch, val: state.val.get(Score::Top1).copied() })
    };
    heads.into_iter().filter_map(state).reduce(|best, next| if next.val > best.val { next } else { best })
}
