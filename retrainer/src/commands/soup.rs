//! The soup of a sweep: the mean of its best heads of one form, which is one such head again.
//!
//! Members are taken greedily in the order of their validation scores, each where the mean is no worse with it (Wortsman et al. 2022,
//! ICML, Recipe 1). Logits of methods differ in size, so each head is centred over the classes and scaled to one length first; the
//! mean has the length of the best one. What comes out is kept beside the records.

use super::{
    about::{Named, about},
    evaluate, opened, record, say, scores,
};
use crate::error::RetrainError;
use cache::{
    FeatureCache, Split,
    head::{self, Head, narrow},
};
use engine::{Device, FittedHead, Sweep, SweepEnd};
use experiment::{
    metrics::Evaluation,
    plan::{Grid, Point, Resources, SweepPlan},
    protocol::{PerScore, Protocol, Protocols, Score},
    records::{self, RunStore, RunWriter},
    select::{Planned, ingredients},
};
use files::{FileError, atomic, text};
use program::interrupt::Interrupt;
use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

/// The name of its runs.
pub(super) const METHOD: &str = "soup";

/// The folder of soups in RUNS.
const FOLDER: &str = "soups";

/// Where the head of a soup is kept.
pub(super) fn path(runs: &Path, run_id: &str) -> PathBuf {
    runs.join(FOLDER).join(format!("{run_id}.safetensors"))
}

/// Where soups are made.
pub(super) struct Kitchen<'a> {
    pub(super) cache: &'a FeatureCache,
    pub(super) device: Device,
    pub(super) interrupt: &'a Interrupt,
    pub(super) out: &'a Path,
    pub(super) resources: Resources,
}

/// Makes the soup of the best results where it is not recorded yet; how many were recorded, `None` where the user asked to stop meanwhile.
///
/// # Errors
/// [`RetrainError`].
pub(super) fn cook(
    kitchen: &Kitchen<'_>,
    settings: &Grid,
    planned: &Planned,
    protocol: Protocol,
) -> Result<Option<usize>, RetrainError> {
    let store = RunStore::open(kitchen.out)?;
    let members = ingredients(planned, &store, protocol, settings.soup)?;
    if members.len() < 2 {
        return Ok(Some(0));
    }
    let points: Vec<Point> = members.iter().map(|(_, point)| point.clone()).collect();
    let grid = Grid { protocols: Some(Protocols::of(&[protocol])), ..settings.with(points) };
    let plan = SweepPlan::new(&grid, kitchen.cache, grid.precision, kitchen.resources)?;
    let names: Vec<&str> = members.iter().map(|(run_id, _)| &**run_id).collect();
    let params = plan.conditions.of_soup(&names);
    let (cache_key, conditions) = (plan.cache_key.clone(), plan.conditions.clone());
    let run_id = records::run_id(&cache_key, METHOD, &params, 0, conditions.precision.name());
    let path = path(kitchen.out, &run_id);
    if store.get(&run_id).is_some() && path.exists() {
        return Ok(Some(0));
    }
    let started = Instant::now();
    say(&format!(
        "soup: the {} heads of the best {} by validation are trained again",
        members.len(),
        settings.soup
    ));
    let Some(heads) = train(kitchen, plan, &grid, protocol)? else { return Ok(None) };
    let augmented = conditions.test_time_augmentation;
    let Some(Soup { head, used, val }) = stir(kitchen.cache, heads, protocol.val_score(), augmented)? else {
        return Ok(Some(0));
    };
    let named = Named { run_id: &run_id, method: METHOD, params: &params };
    let about = about(&head, &named, kitchen.cache, augmented)?;
    let folder = path.parent().unwrap_or(kitchen.out);
    fs::create_dir_all(folder).map_err(|source| FileError::io("create", folder, source))?;
    // The head first: a record without it could not be exported.
    atomic::write_atomic(&path, &head::bytes(&head, &about, &path)?)?;
    let measured = evaluate::metrics(kitchen.cache, &head, Split::Test, augmented)?;
    let (seconds, chosen) = (started.elapsed().as_secs_f64(), val.get(protocol.val_score()).copied());
    let soup = record::Soup { method: METHOD, run_id, params, val, measured, seconds };
    let mut writer = RunWriter::create(kitchen.out)?;
    writer.append(&record::of_soup(soup, kitchen.cache, &cache_key, kitchen.device, conditions.precision))?;
    writer.finish()?;
    say(&format!(
        "soup: the mean of {used} of {} heads, validation {} {:.4}, kept in `{}`",
        members.len(),
        protocol.val_score().name(),
        chosen.unwrap_or(f64::NAN),
        text::path(&path)
    ));
    Ok(Some(1))
}

/// The heads of a plan for raw features, in the order of the grid; `None` where the user asked to stop.
fn train(
    kitchen: &Kitchen<'_>,
    plan: SweepPlan,
    grid: &Grid,
    protocol: Protocol,
) -> Result<Option<Vec<Head>>, RetrainError> {
    let mut fitted: Vec<FittedHead> = Vec::new();
    let end = Sweep { cache: kitchen.cache, plan, device: kitchen.device }.run(
        kitchen.interrupt,
        |_| (),
        |heads| {
            opened::check_unchanged(kitchen.cache)?;
            fitted.extend(heads);
            Ok::<(), RetrainError>(())
        },
    );
    if end? == SweepEnd::Interrupted {
        return Ok(None);
    }
    fitted.sort_by_key(|head| grid.points.iter().position(|point| *point == head.task.point));
    let by = engine::normalisation(kitchen.cache, grid.normalise)?;
    let heads = fitted.iter().filter_map(|head| head.states.chosen(protocol)).map(|state| {
        let head = state.test.head.clone();
        match &by {
            None => head,
            Some(by) => head.for_raw_features(by.clone()),
        }
    });
    Ok(Some(heads.collect()))
}

/// The mean of some heads.
struct Soup {
    head: Head,
    /// How many.
    used: usize,
    /// Its scores on validation.
    val: PerScore<f64>,
}

/// Takes the heads of the first one's form one after the other, where the mean is no worse on validation with them.
fn stir(
    cache: &FeatureCache,
    heads: Vec<Head>,
    by: Score,
    augmented: bool,
) -> Result<Option<Soup>, RetrainError> {
    let views = scores::views(cache, Split::Val, augmented)?;
    let form = heads.first().map(|head| head.form.clone());
    let length = heads.first().map_or(1.0, centred_length);
    let (mut soup, mut logits): (Option<Soup>, Vec<f32>) = (None, Vec::new());
    for head in heads.into_iter().filter(|head| Some(&head.form) == form.as_ref()) {
        let head = resized(head, length);
        let used = soup.as_ref().map_or(0, |soup| soup.used);
        let mut mixed: Vec<f32> = Vec::new();
        scores::each_row(&head, &views, |_, row| {
            mixed.extend_from_slice(row);
            Ok(())
        })?;
        // Logits are linear in weight and bias: those of the mean are the mean of those.
        for (own, mean) in mixed.iter_mut().zip(&logits) {
            *own = mean + (*own - mean) / (used + 1) as f32;
        }
        let mut evaluation = Evaluation::new(cache.class_counts());
        evaluation.update(&mixed, cache.labels(Split::Val))?;
        let values = evaluation.finish().values;
        let val: PerScore<f64> = [Score::Top1, Score::Nll]
            .into_iter()
            .filter_map(|score| Some((score, values.get(score.metric())?)))
            .collect();
        soup = match soup {
            None => Some(Soup { head, used: 1, val }),
            Some(soup) if !is_worse(&val, &soup.val, by) => {
                Some(Soup { head: mean(soup.head, &head, used), used: used + 1, val })
            }
            Some(soup) => {
                mixed.clone_from(&logits);
                Some(soup)
            }
        };
        logits = mixed;
    }
    Ok(soup)
}

/// Whether a score is worse than another, or not there.
fn is_worse(new: &PerScore<f64>, best: &PerScore<f64>, by: Score) -> bool {
    match (new.get(by), best.get(by)) {
        (Some(&new), Some(&best)) => by.gain(new, best) < 0.0,
        (new, best) => new.is_none() && best.is_some(),
    }
}

/// The mean of `used` heads and one more.
fn mean(mut soup: Head, head: &Head, used: usize) -> Head {
    let share = 1.0 / (used + 1) as f64;
    let parts = soup.weight.iter_mut().zip(&head.weight).chain(soup.bias.iter_mut().zip(&head.bias));
    for (mean, &own) in parts {
        *mean = narrow(f64::from(*mean) + (f64::from(own) - f64::from(*mean)) * share);
    }
    soup
}

/// Frobenius norm of the weight, centred over the classes: what all classes share changes nothing.
fn centred_length(head: &Head) -> f64 {
    let means = class_means(&head.weight, head.dim);
    let centred = head.weight.chunks_exact(head.dim.max(1)).flat_map(|row| row.iter().zip(&means));
    centred.map(|(&weight, mean)| (f64::from(weight) - mean).powi(2)).sum::<f64>().sqrt()
}

/// The head centred over the classes, and scaled to a length.
fn resized(mut head: Head, length: f64) -> Head {
    let factor = length / centred_length(&head).max(f64::MIN_POSITIVE);
    let (dim, means) = (head.dim.max(1), class_means(&head.weight, head.dim));
    let bias = class_means(&head.bias, 1);
    let own = |number: f32, mean: f64| narrow((f64::from(number) - mean) * factor);
    for row in head.weight.chunks_exact_mut(dim) {
        row.iter_mut().zip(&means).for_each(|(weight, &mean)| *weight = own(*weight, mean));
    }
    let middle = bias.first().copied().unwrap_or_default();
    head.bias.iter_mut().for_each(|bias| *bias = own(*bias, middle));
    head
}

/// Mean of each column over rows of `dim` numbers.
fn class_means(rows: &[f32], dim: usize) -> Vec<f64> {
    let mut means = vec![0.0; dim];
    for row in rows.chunks_exact(dim.max(1)) {
        means.iter_mut().zip(row).for_each(|(mean, &number)| *mean += f64::from(number));
    }
    let count = (rows.len() / dim.max(1)).max(1) as f64;
    means.into_iter().map(|sum| sum / count).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use cache::head::HeadForm;

    fn head(weight: Vec<f32>, bias: Vec<f32>) -> Head {
        Head { classes: 2, dim: 2, weight, bias, form: HeadForm::Linear }
    }

    /// What all classes share is taken off, and differences of logits grow by the same factor.
    #[test]
    fn a_resized_head_ranks_alike_and_has_the_length() {
        let own = head(vec![3.0, 1.0, 1.0, 5.0], vec![2.0, 4.0]);
        // Centred: ±(1, −2), of length √10.
        assert!((centred_length(&own) - 10_f64.sqrt()).abs() < 1e-12);
        let resized = resized(own.clone(), 2.0 * 10_f64.sqrt());
        assert_eq!((resized.weight, resized.bias), (vec![2.0, -4.0, -2.0, 4.0], vec![-2.0, 2.0]));
    }

    #[test]
    fn the_mean_is_that_of_all_heads_so_far() {
        let one = head(vec![1.0, 2.0, 3.0, 4.0], vec![0.0, 1.0]);
        let two = mean(one, &head(vec![3.0, 2.0, 1.0, 0.0], vec![2.0, 1.0]), 1);
        assert_eq!((&two.weight, &two.bias), (&vec![2.0; 4], &vec![1.0; 2]));
        let three = mean(two, &head(vec![5.0, 5.0, 5.0, 5.0], vec![4.0, 4.0]), 2);
        assert_eq!((three.weight, three.bias), (vec![3.0; 4], vec![2.0; 2]));
    }
}
