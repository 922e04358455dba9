//! A sweep in passes: the grid, then what validation asks for beyond it.

use super::{
    End, opened, record, say,
    soup::{self, Kitchen},
};
use crate::error::RetrainError;
use cache::FeatureCache;
use engine::{Device, Sweep, SweepEnd};
use experiment::{
    plan::{Grid, Point, Resources, SweepPlan},
    protocol::Protocol,
    records::{Added, Asked, Run, RunStore, RunWriter, Status, keep_manifest},
    select::{Planned, beyond, finalists},
};
use files::text;
use program::{interrupt::Interrupt, partition::Partition, progress::Progress};
use std::path::Path;

/// What all passes of a sweep have in common.
pub(super) struct Passes<'a> {
    pub(super) cache: &'a FeatureCache,
    pub(super) device: Device,
    pub(super) interrupt: &'a Interrupt,
    pub(super) out: &'a Path,
    pub(super) resources: Resources,
    pub(super) part: Partition,
    /// The score that was asked for to choose by.
    pub(super) select_by: Option<Protocol>,
}

/// A pass that has not begun.
pub(super) struct Pass {
    plan: SweepPlan,
    /// What of it is not recorded.
    pub(super) left: SweepPlan,
    /// What was asked for, to be kept.
    asked: Asked,
    /// Recorded heads that diverged.
    diverged: usize,
}

/// What passes have done.
#[derive(Debug, Default)]
struct Done {
    heads: usize,
    /// Heads that diverged, now or when they were recorded.
    diverged: bool,
    stopped: bool,
    cache_key: String,
}

impl Passes<'_> {
    /// Plans a grid, and finds what of it is not recorded yet.
    pub(super) fn plan(&self, grid: &Grid) -> Result<Pass, RetrainError> {
        let mut plan = SweepPlan::part(grid, self.cache, grid.precision, self.resources, self.part)?;
        for warning in &plan.warnings {
            say(&format!("warning: {warning}"));
        }
        // Taken out before the plan is copied: it is as long as the plan.
        let asked = self.asked(&mut plan);
        let (left, diverged) = without_recorded(plan.clone(), self.out)?;
        Ok(Pass { plan, left, asked, diverged })
    }

    /// The grid, then at most `grid.widen` rounds beyond its edges, then its finalists by validation.
    pub(super) fn run(&self, grid: Grid) -> Result<End, RetrainError> {
        let protocol = self.select_by.unwrap_or(Protocol::Val);
        let (settings, mut done, mut planned) = (grid.with(Vec::new()), Done::default(), Planned::new());
        let goes_on = grid.widen > 0 || grid.finalists.is_some() || grid.soup > 0;
        self.pass(grid, None, &mut done, goes_on.then_some(&mut planned))?;
        for round in 1..=settings.widen {
            if done.stopped {
                break;
            }
            let mut points = beyond(&planned, &RunStore::open(self.out)?, protocol)?;
            points.retain(|point| planned.values().all(|known| known != point));
            if points.is_empty() {
                break;
            }
            let of = settings.widen;
            say(&format!(
                "widening, round {round} of at most {of}, where validation chose an edge: {}",
                told(&points)
            ));
            self.pass(settings.with(points), Some(Added::Widened), &mut done, Some(&mut planned))?;
        }
        if let (Some(last), false) = (&settings.finalists, done.stopped) {
            let store = RunStore::open(self.out)?;
            let points = finalists(&planned, &store, protocol, last.count, &last.seeds)?;
            if !points.is_empty() {
                let seeds = last.seeds.len();
                say(&format!("finalists by validation, {seeds} seeds each: {}", told(&points)));
                self.pass(settings.with(points), Some(Added::Finalist), &mut done, Some(&mut planned))?;
            }
        }
        if settings.soup > 0 && !done.stopped {
            let kitchen = Kitchen {
                cache: self.cache,
                device: self.device,
                interrupt: self.interrupt,
                out: self.out,
                resources: self.resources,
            };
            let cooked = soup::cook(&kitchen, &settings, &planned, protocol)?;
            done.stopped = cooked.is_none();
            done.heads += cooked.unwrap_or(0);
        }
        Ok(self.end(&done))
    }

    /// Trains what is not recorded of a grid, and adds all its points to `planned`.
    fn pass(
        &self,
        grid: Grid,
        added: Option<Added>,
        done: &mut Done,
        planned: Option<&mut Planned>,
    ) -> Result<(), RetrainError> {
        let Pass { plan, left, asked, diverged } = self.plan(&grid)?;
        // The plan has its points.
        drop(grid);
        done.cache_key.clone_from(&plan.cache_key);
        if let Some(planned) = planned {
            let heads = plan.work.iter().flat_map(|work| &work.heads);
            planned.extend(heads.map(|head| (head.run_id.clone(), head.point.clone())));
        }
        drop(plan);
        if diverged > 0 {
            say(&format!("{diverged} recorded heads diverged; the same happens whenever they are trained"));
            done.diverged = true;
        }
        if left.heads() == 0 {
            // A folder that is only read is no error where nothing is left to do.
            if self.out.is_dir() {
                drop(asked.keep(self.out));
            }
            return Ok(());
        }
        // Opened before the long work, so that a bad path fails at once.
        let writer = RunWriter::create(self.out)?;
        keep_manifest(self.out, &left.cache_key, self.cache.manifest())?;
        asked.keep(self.out)?;
        say(&left.to_string());
        self.train(left, added, writer, done)
    }

    /// What was asked for, to be kept, so that anybody sees what is missing.
    fn asked(&self, plan: &mut SweepPlan) -> Asked {
        Asked {
            cache_key: plan.cache_key.clone(),
            cache: self.cache.path().display().to_string(),
            parts: self.part.of(),
            heads: std::mem::take(&mut plan.asked),
        }
    }

    fn train(
        &self,
        plan: SweepPlan,
        added: Option<Added>,
        mut writer: RunWriter,
        done: &mut Done,
    ) -> Result<(), RetrainError> {
        let (cache_key, conditions) = (plan.cache_key.clone(), plan.conditions.clone());
        let mut progress = Progress::new("sweep", plan.head_epochs() as u64);
        let (mut heads, mut diverged) = (0_usize, 0_usize);
        let end = Sweep { cache: self.cache, plan, device: self.device }.run(
            self.interrupt,
            |head_epochs| progress.advance(head_epochs),
            |fitted| {
                opened::check_unchanged(self.cache)?;
                for head in fitted {
                    heads += 1;
                    diverged += usize::from(head.diverged_at.is_some());
                    let made = record::of_head(&head, self.cache, &cache_key, self.device, &conditions);
                    writer.append(&experiment::records::RunRecord { added, ..made })?;
                }
                Ok::<(), RetrainError>(())
            },
        );
        progress.finish();
        writer.finish()?;
        done.heads += heads;
        done.stopped = end? == SweepEnd::Interrupted;
        if diverged > 0 {
            done.diverged = true;
            say(&format!("{diverged} of {heads} heads diverged; they are recorded as such"));
        }
        Ok(())
    }

    /// Says what came of it.
    fn end(&self, done: &Done) -> End {
        let heads = done.heads;
        if done.stopped {
            say(&format!(
                "stopped on request: {heads} heads are recorded\nhint: run the same command again to continue"
            ));
            return End::Stopped;
        }
        if heads == 0 {
            self.nothing_to_do(&done.cache_key);
        } else {
            // Without it the report would choose by accuracy.
            let by =
                self.select_by.map_or(String::new(), |by| format!(" --select-by {}", by.val_score().name()));
            say(&format!("{heads} heads recorded; next: retrainer report {}{by}", text::path(self.out)));
        }
        if done.diverged { End::DoneWithFailures } else { End::Done }
    }

    /// Says so; records of older programs came without the manifest, which is kept now where the folder may be written to.
    fn nothing_to_do(&self, cache_key: &str) {
        let whose = if self.part.is_whole() { "" } else { " of this part" };
        say(&format!("nothing to do: every head{whose} is recorded"));
        if self.out.is_dir()
            && let Err(error) = keep_manifest(self.out, cache_key, self.cache.manifest())
        {
            say(&format!("warning: the cache's manifest is not kept beside the records: {error}"));
        }
    }
}

/// The methods of points with what is new of each.
fn told(points: &[Point]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for point in points {
        if !names.contains(&point.method.name) {
            names.push(point.method.name);
        }
    }
    names.join(", ")
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
