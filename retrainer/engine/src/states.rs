//! The weight states of a group that protocols choose, each measured on the test split once.

use super::{
    classifier::{Parameters, Place},
    data::Data,
    error::TrainError,
    evaluate::{self, Heads},
    fit::State,
    head::Head,
};
use experiment::select::Protocols;

/// What protocols need to know of the epochs of a group.
#[derive(Debug)]
pub(super) struct Tracker {
    best_val: Option<Best>,
    best_test: Option<Best>,
    /// Validation accuracy of the latest epoch.
    val: Vec<Option<f64>>,
    curves: Vec<EpochScores>,
}

/// Balanced accuracies of one head after each epoch; empty where no protocol asked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EpochScores {
    /// On the validation split.
    pub val: Vec<f64>,
    /// On the test split.
    pub test: Vec<f64>,
}

/// The states of one head: after the last epoch, at the epoch that validation chose, at the one that the test split chose.
#[derive(Debug)]
pub(super) struct States {
    pub(super) last: State,
    pub(super) val_selected: Option<State>,
    pub(super) best_on_test: Option<State>,
    pub(super) curve: EpochScores,
}

impl Tracker {
    pub(super) fn new(
        protocols: Protocols,
        parameters: &Parameters,
        heads: usize,
        data: &Data<'_>,
    ) -> Result<Self, TrainError> {
        let best = |wanted: bool| wanted.then(|| Best::new(parameters, heads)).transpose();
        Ok(Self {
            best_val: best(protocols.val && data.val.is_some())?,
            best_test: best(protocols.best_on_test)?,
            val: vec![None; heads],
            curves: vec![EpochScores::default(); heads],
        })
    }

    /// Looks at the weights after `done` of `epochs` epochs: on each split only where a protocol chooses by it.
    pub(super) fn end_epoch(
        &mut self,
        parameters: &Parameters,
        done: usize,
        epochs: usize,
        data: &Data<'_>,
    ) -> Result<(), TrainError> {
        let now = Heads { logits: parameters, count: self.curves.len() };
        // The last epoch's validation accuracy is recorded with every protocol.
        if self.best_val.is_some() || done == epochs {
            self.val = validate(&now, data)?;
        }
        if let Some(best) = &mut self.best_val {
            let scores: Vec<f64> = self.val.iter().map(|score| score.unwrap_or(f64::NEG_INFINITY)).collect();
            best.update(parameters, done, &scores, &self.val)?;
            for (curve, score) in self.curves.iter_mut().zip(scores) {
                curve.val.push(score);
            }
        }
        if let Some(best) = &mut self.best_test {
            let test = evaluate::balanced_accuracy(&now, data, &data.test)?;
            best.update(parameters, done, &test, &self.val)?;
            for (curve, score) in self.curves.iter_mut().zip(test) {
                curve.test.push(score);
            }
        }
        Ok(())
    }

    /// The chosen states; equal epochs of a head are one state, measured once.
    pub(super) fn finish(
        self,
        parameters: &Parameters,
        epochs: usize,
        data: &Data<'_>,
    ) -> Result<Vec<States>, TrainError> {
        let heads = self.curves.len();
        let all: Vec<usize> = (0..heads).collect();
        let last = measure_heads(parameters, &all, heads, &vec![epochs; heads], &self.val, data)?;
        let mut states: Vec<States> = last
            .into_iter()
            .zip(self.curves)
            .map(|(last, curve)| States { last, val_selected: None, best_on_test: None, curve })
            .collect();
        if let Some(best) = self.best_val {
            let measured = best.measure(&states, heads, data)?;
            for (state, chosen) in states.iter_mut().zip(measured) {
                state.val_selected = Some(chosen);
            }
        }
        if let Some(best) = self.best_test {
            let measured = best.measure(&states, heads, data)?;
            for (state, chosen) in states.iter_mut().zip(measured) {
                state.best_on_test = Some(chosen);
            }
        }
        Ok(states)
    }
}

/// The best epoch of each head so far and the weights it had then.
#[derive(Debug)]
struct Best {
    parameters: Box<Parameters>,
    epochs: Vec<usize>,
    scores: Vec<f64>,
    /// Validation accuracy at that epoch.
    val: Vec<Option<f64>>,
}

impl Best {
    fn new(parameters: &Parameters, heads: usize) -> Result<Self, TrainError> {
        Ok(Self {
            parameters: parameters.snapshot()?,
            epochs: vec![0; heads],
            scores: vec![f64::NEG_INFINITY; heads],
            val: vec![None; heads],
        })
    }

    fn update(
        &mut self,
        parameters: &Parameters,
        epoch: usize,
        scores: &[f64],
        val: &[Option<f64>],
    ) -> Result<(), TrainError> {
        let heads = scores.len();
        let state = self.scores.iter_mut().zip(&mut self.epochs).zip(&mut self.val);
        for (head, (((best, best_epoch), best_val), (&score, &val))) in
            state.zip(scores.iter().zip(val)).enumerate()
        {
            if score > *best {
                (*best, *best_epoch, *best_val) = (score, epoch, val);
                self.parameters.copy_head(parameters, Place { head, heads })?;
            }
        }
        Ok(())
    }

    /// The state of each head, measured only where none of its `known` ones is of the same epoch.
    fn measure(&self, known: &[States], heads: usize, data: &Data<'_>) -> Result<Vec<State>, TrainError> {
        let known = known.iter().zip(&self.epochs).map(|(states, &epoch)| {
            let mut measured = std::iter::once(&states.last).chain(&states.val_selected);
            measured.find(|state| state.epoch == epoch).cloned()
        });
        let mut states: Vec<Option<State>> = known.collect();
        let missing: Vec<usize> =
            (0..heads).filter(|&i| states.get(i).is_some_and(Option::is_none)).collect();
        let measured = measure_heads(&*self.parameters, &missing, heads, &self.epochs, &self.val, data)?;
        for (index, state) in missing.into_iter().zip(measured) {
            if let Some(slot) = states.get_mut(index) {
                *slot = Some(state);
            }
        }
        Ok(states
            .into_iter()
            .flatten()
            .zip(&self.val)
            .map(|(state, &val_top1)| State { val_top1, ..state })
            .collect())
    }
}

/// Measures some of a group's `heads` on the test split; `epochs` and `val` are those of all.
fn measure_heads(
    parameters: &Parameters,
    some: &[usize],
    heads: usize,
    epochs: &[usize],
    val: &[Option<f64>],
    data: &Data<'_>,
) -> Result<Vec<State>, TrainError> {
    if some.is_empty() {
        return Ok(Vec::new());
    }
    let base = data.stage1.as_ref();
    let linear = some.iter().map(|&head| parameters.head(Place { head, heads }, base));
    let linear = linear.collect::<Result<Vec<_>, _>>()?;
    let picked = (some.len() < heads).then(|| parameters.select(some, heads)).transpose()?;
    let logits = picked.as_deref().unwrap_or(parameters);
    let pick = |index: &usize| (epochs.get(*index).copied().unwrap_or(0), val.get(*index).copied().flatten());
    let (epochs, val): (Vec<usize>, Vec<Option<f64>>) = some.iter().map(pick).unzip();
    measure(&Heads { logits, count: some.len() }, linear, data, &epochs, &val)
}

/// Validation accuracy of each head, where there is a validation split.
pub(super) fn validate(heads: &Heads<'_>, data: &Data<'_>) -> Result<Vec<Option<f64>>, TrainError> {
    match &data.val {
        None => Ok(vec![None; heads.count]),
        Some(split) => {
            let scores = evaluate::balanced_accuracy(heads, data, split)?;
            Ok(scores.into_iter().map(Some).collect())
        }
    }
}

/// Measures heads, whose weights are `linear`, on the test split.
pub(super) fn measure(
    heads: &Heads<'_>,
    linear: Vec<Head>,
    data: &Data<'_>,
    epochs: &[usize],
    val: &[Option<f64>],
) -> Result<Vec<State>, TrainError> {
    let metrics = evaluate::metrics(heads, &linear, data, &data.test, data.class_counts)?;
    let measured = metrics.into_iter().zip(linear).zip(epochs.iter().zip(val));
    Ok(measured.map(|((test, head), (&epoch, &val_top1))| State { epoch, val_top1, test, head }).collect())
}
